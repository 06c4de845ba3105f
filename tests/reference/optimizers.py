"""Writes optimizers.json: five steps of each optimiser by Keras itself, in double precision.

    pip install keras numpy jax && python tests/reference/optimizers.py
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
import jax

jax.config.update("jax_enable_x64", True)
import keras
import numpy as np

keras.backend.set_floatx("float64")

STEPS = 5
COUNT = 6

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD(0.01),
    "sgd momentum": keras.optimizers.SGD(0.01, momentum=0.9),
    "sgd nesterov": keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
    "adam": keras.optimizers.Adam(0.01),
    "nadam": keras.optimizers.Nadam(0.01),
    "rmsprop": keras.optimizers.RMSprop(0.01),
    "rmsprop momentum": keras.optimizers.RMSprop(0.01, momentum=0.8),
}

random = np.random.default_rng(8)
# Multiples of 1/256 are exact in single precision too. Sizes differ by orders of magnitude, and one
# gradient is always 0.
start = np.round(random.normal(size=COUNT) * 256) / 256
scale = np.array([1, 4, 1 / 16, 1, 16, 0])
gradients = np.round(random.normal(size=(STEPS, COUNT)) * 256) / 256 * scale

runs = []
for name, optimizer in OPTIMIZERS.items():
    variable = keras.Variable(start, dtype="float64")
    optimizer.build([variable])
    steps = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        steps.append(keras.ops.convert_to_numpy(variable).tolist())
    runs.append({"optimizer": name, "learning_rate": 0.01, "parameters": steps})

result = {
    "keras": keras.__version__,
    "start": start.tolist(),
    "gradients": gradients.tolist(),
    "runs": runs,
}
path = Path(__file__).with_suffix(".json")
path.write_text(json.dumps(result) + "\n")
