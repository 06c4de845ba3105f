"""Writes <network>.json for each of the six networks: class scores, the CAM layer's activation, the
gradient of the highest score at it, and the Grad-CAM map, by Keras in double precision.

    pip install tensorflow-cpu keras==3.15.1 && python tests/reference/networks.py [NETWORK...]

Prints how far Keras itself is from that in single precision, largest difference over largest
magnitude: 4e-6 at most.
"""

import json
import sys
from pathlib import Path

from keras_networks import NETWORKS, build, images, keras, np, rounded, summary

import tensorflow as tf


def explain(name, precision):
    """Scores, activation, gradient and raw map of image 0 at the network's full input."""
    _, size, cam_layer, _ = NETWORKS[name]
    model = build(name, precision)
    inner = keras.Model(model.input, [model.get_layer(cam_layer).output, model.output])
    with tf.GradientTape() as tape:
        activation, scores = inner(images(name, [0], size, precision), training=False)
        top = int(tf.argmax(scores[0]))
        score = scores[:, top]
    gradient = tape.gradient(score, activation)
    # As in keras.io's example of Grad-CAM, before the division by the largest value.
    weights = tf.reduce_mean(gradient, axis=(0, 1, 2))
    heat = tf.nn.relu(tf.reduce_sum(activation[0] * weights, axis=-1))
    return [top] + [value.numpy() for value in (scores, activation, gradient, heat)]


for name in sys.argv[1:] or NETWORKS:
    top, *truth = explain(name, "float64")
    _, *single = explain(name, "float32")
    apart = [abs(a - b).max() / abs(a).max() for a, b in zip(truth, single)]
    apart = ", ".join(f"{what} {by:.1e}" for what, by in zip(
        ("scores", "activation", "gradient", "map"), apart))
    print(f"{name}: class {top}; single precision: {apart}", flush=True)
    scores, activation, gradient, heat = truth
    golden = {
        "keras": keras.__version__,
        "class": top,
        "logits": rounded(scores),
        "activation": summary(activation),
        "gradient": summary(gradient),
        "map": {
            "shape": list(heat.shape),
            "raw": rounded(heat),
            "normalised": rounded(heat / heat.max()),
        },
    }
    path = Path(__file__).with_name(f"{name}.json")
    path.write_text(json.dumps(golden) + "\n")
