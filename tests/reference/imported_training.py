"""Five steps of SGD of models in their files, by Keras in double precision.

    python tests/reference/imported_training.py

writes tests/imported/training.json: the loss of each step, and what the weights are in the end. The
files are those of tests/reference/imported.py, and so are the pictures.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from imported import L, OUT, double, picture

STEPS, BATCH, RATE = 5, 4, 0.02


def variables(model, prefix=""):
    """All of them, by the path of their layer."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= variables(layer, f"{prefix}{layer.name}/")
        else:
            found |= {f"{prefix}{layer.name}/{v.name}": v for v in layer.weights if v.name != "count"}
    return found


def train(name):
    keras.backend.clear_session()
    saved = keras.models.load_model(OUT / f"{name}.keras")
    _, height, width, channels = saved.inputs[0].shape
    model = double(saved)
    classes = model.outputs[0].shape[-1]
    before = {key: v.numpy() for key, v in variables(model).items()}
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(RATE)
    optimizer.build(model.trainable_variables)
    losses = []
    for step in range(STEPS):
        numbers = range(BATCH * step, BATCH * (step + 1))
        batch = np.stack([picture(n, height, width, channels) for n in numbers])
        labels = np.array([n % classes for n in numbers])
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(batch, training=True))
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        losses.append(float(loss))
    changes = {}
    for key, variable in variables(model).items():
        change = (variable.numpy() - before[key]).ravel()
        changes[key] = {"largest": float(abs(change).max()), "all": [float(f"{v:.8g}") for v in change[:8]]}
    still = [key for key, change in changes.items() if change["largest"] == 0]
    print(name, [round(loss, 4) for loss in losses], "unchanged:", still, flush=True)
    return {"losses": losses, "changes": changes}


if __name__ == "__main__":
    golden = {"rate": RATE, "batch": BATCH, "runs": {name: train(name) for name in ("nested-twice", "nested-maximum", "continued-base", "squeeze-and-excite", "convnext-block", "norm-variants", "groups")}}
    (OUT / "training.json").write_text(json.dumps(golden) + "\n")
