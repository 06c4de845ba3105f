"""Writes training-<network>.json for MobileNetV2 and ResNet50V2: five steps of SGD with momentum and
of Adam at 96x96, batches of 4, 10 classes, softmax cross-entropy of logits, by Keras in double
precision.

    pip install tensorflow-cpu keras==3.15.1 && python tests/reference/training.py

Prints how far Keras itself is from that in single precision. The middle of beta is 1.5 here. With 0,
where a ReLU cuts half of everything, gradients through this many normalisations of a small batch grow
with depth (Yang and others 2019, "A Mean Field Theory of Batch Normalization"): single precision
is then 2 % off in the first gradient already.
"""

import json
from pathlib import Path

from keras_networks import build, images, keras, np, rounded, seeded

import tensorflow as tf

SIZE, BATCH, CLASSES, STEPS, BETA = 96, 4, 10, 5, 1.5

OPTIMIZERS = {
    "sgd momentum": (lambda rate: keras.optimizers.SGD(rate, momentum=0.9), 3e-4),
    "adam": (keras.optimizers.Adam, 1e-5),
}


def labels(step):
    """The class of each image of a step, counted from 0."""
    return [(3 * (BATCH * step + index) + 1) % CLASSES for index in range(BATCH)]


def train(name, optimizer, rate, precision):
    """The losses, and by how much every variable has changed in the end."""
    model = build(name, precision, SIZE, CLASSES, BETA)
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True)
    optimizer = optimizer(rate)
    optimizer.build(model.trainable_variables)
    variables = {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}
    start = {key: variable.numpy() for key, variable in variables.items()}

    @tf.function
    def update(batch, target):
        with tf.GradientTape() as tape:
            loss = loss_of(target, model(batch, training=True))
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    losses = []
    for step in range(STEPS):
        batch = images(name, range(BATCH * step, BATCH * (step + 1)), SIZE, precision)
        target = np.eye(CLASSES, dtype=precision)[labels(step)]
        losses.append(float(update(batch, target)))
    return losses, {key: v.numpy() - start[key] for key, v in variables.items()}


def apart(truth, found):
    """The largest difference over the largest magnitude."""
    truth, found = np.asarray(truth), np.asarray(found)
    return abs(truth - found).max() / abs(truth).max()


STATISTICS = ("moving_mean", "moving_variance")

for name in ("mobilenet-v2", "resnet50-v2"):
    runs = []
    frozen, _ = train(name, *OPTIMIZERS["sgd momentum"][:1], 0.0, "float64")
    for optimizer, (make, rate) in OPTIMIZERS.items():
        losses, changes = train(name, make, rate, "float64")
        single_losses, single = train(name, make, rate, "float32")
        statistics = {k: v for k, v in changes.items() if k.endswith(STATISTICS)}
        head = {k: v for k, v in changes.items() if k.startswith("predictions/")}
        worst = max((apart(change, single[key]), key) for key, change in statistics.items())
        print(
            f"{name}, {optimizer}: losses {rounded(losses, 5)}, without training "
            f"{rounded(frozen, 5)}; single precision: losses {apart(losses, single_losses):.1e}, "
            f"statistics {worst[0]:.1e} ({worst[1]}), "
            + ", ".join(f"{key} {apart(head[key], single[key]):.1e}" for key in head),
            flush=True,
        )
        runs.append({
            "optimizer": optimizer,
            "learning_rate": rate,
            "losses": rounded(losses),
            "changes": {
                key: {
                    "largest": rounded(abs(change).max())[0],
                    "samples": rounded(seeded.sample(change, 4), 7),
                }
                for key, change in (statistics | head).items()
            },
        })
    golden = {
        "keras": keras.__version__,
        "labels": [labels(step) for step in range(STEPS)],
        "without training": rounded(frozen),
        "runs": runs,
    }
    path = Path(__file__).with_name(f"training-{name}.json")
    path.write_text(json.dumps(golden) + "\n")
