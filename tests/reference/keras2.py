"""Small models as Keras 2 writes them, and what it makes of pictures in double precision.

    pip install tensorflow-cpu==2.21.0 tf-keras==2.21.0
    python tests/reference/keras2.py [NAME...]

writes tests/imported/keras2-NAME.keras, .h5 and .json for tests/imported.rs, as imported.py does for Keras 3.
Keras 2 counts the calls of a model inside another from 1 on, writes arithmetic as TFOpLambda, and gives
its layers fields that Keras 3 no longer has.
"""

import json
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras import layers as L
from tf_keras.src.saving.legacy.saved_model import json_utils

OUT = pathlib.Path(__file__).parent.parent / "imported"
PICTURES = (20, 21)
# In which formats: both for what they write differently.
ENDINGS = {
    "nested": "keras", "twice": "keras h5", "sequential": "h5", "first-layer-with-shape": "h5", "operators": "keras",
    "many-layers": "h5", "augmented": "keras", "mixed": "h5", "preprocessed": "h5", "functions": "keras",
}


def picture(n, height, width, channels):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return ((13 * y * y + 7 * x * y + 31 * x + 97 * c + 17 * y + 53 * n) % 256).astype("float64")


def every_layer(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from every_layer(layer)
        else:
            yield layer


def prepare(model, seed):
    """Draws the weights that start as zeros or ones, and calibrates batch normalisations."""
    random = np.random.default_rng(seed)
    norms = []
    for layer in every_layer(model):
        for weight in layer.weights:
            name = weight.name.split("/")[-1].split(":")[0]
            if name in ("bias", "beta", "moving_mean"):
                weight.assign(random.normal(0, 0.2, weight.shape))
            elif name in ("gamma", "moving_variance"):
                weight.assign(random.uniform(0.5, 1.5, weight.shape))
            elif name == "alpha":
                weight.assign(random.uniform(0.05, 0.4, weight.shape))
        if isinstance(layer, L.BatchNormalization):
            norms.append((layer, layer.momentum, layer.trainable))
    _, height, width, channels = model.input_shape
    batch = np.stack([picture(n, height, width, channels) for n in range(8)]).astype("float32")
    for layer, _, _ in norms:
        layer.momentum, layer.trainable = 0.0, True
    if norms:
        model(batch, training=True)
    for layer, momentum, trainable in norms:
        layer.momentum, layer.trainable = momentum, trainable


def copy(model, precision):
    """The model in this precision, without its last activation."""
    text = json.dumps(model.get_config(), default=json_utils.get_json_type)
    for policy in ("mixed_float16", "float32"):
        text = text.replace(f'"{policy}"', f'"{precision}"')
    config = json_utils.decode(text)
    last = config["layers"][-1]["config"]
    if last.get("activation") in ("softmax", "sigmoid"):
        last["activation"] = "linear"
    keras.backend.set_floatx(precision)
    made = type(model).from_config(config)
    made.set_weights([np.asarray(weight, precision) for weight in model.get_weights()])
    keras.backend.set_floatx("float32")
    return made


def base(pooling=None, name="base"):
    i = keras.Input((32, 32, 3))
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="stem")(i)))
    y = L.ReLU()(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    y = L.BatchNormalization(momentum=0.9, epsilon=1e-5)(L.Conv2D(6, 1, use_bias=False)(y))
    x = L.ZeroPadding2D(((0, 1), (0, 1)))(L.Add()([x, y]))
    x = L.Activation("swish")(L.BatchNormalization()(L.Conv2D(8, 3, strides=2, name="last")(x)))
    if pooling == "avg":
        x = L.GlobalAveragePooling2D()(x)
    return keras.Model(i, x, name=name)


MODELS = {}


def model(function):
    MODELS[function.__name__.replace("_", "-")] = function
    return function


@model
def nested():
    i = keras.Input((32, 32, 3))
    x = L.Rescaling(1 / 127.5, offset=-1)(i)
    x = base()(x, training=False)
    x = L.Dropout(0.3)(L.GlobalAveragePooling2D()(x))
    return keras.Model(i, L.Dense(2, activation="softmax")(x))


@model
def twice():
    """One model called twice, in a model of models."""
    i = keras.Input((32, 32, 3))
    inner = base(pooling="avg", name="inner")
    x = L.Concatenate()([inner(i / 255.0), inner(1.0 - i / 255.0)])
    middle = keras.Model(i, x, name="middle")
    j = keras.Input((32, 32, 3))
    return keras.Model(j, L.Dense(3)(middle(j)))


@model
def sequential():
    return keras.Sequential([
        keras.Input((32, 32, 3)), L.Rescaling(1 / 255), base(pooling="avg"), L.Dense(12), L.LeakyReLU(alpha=0.1),
        L.BatchNormalization(), L.Dropout(0.2), L.Dense(3, activation="softmax"),
    ])


@model
def first_layer_with_shape():
    made = keras.Sequential()
    made.add(L.Conv2D(8, 3, activation="relu", input_shape=(28, 28, 1)))
    made.add(L.MaxPooling2D(2))
    made.add(L.Conv2D(8, 3, activation="hard_sigmoid"))
    made.add(L.Flatten())
    made.add(L.Dense(8, activation="relu"))
    made.add(L.Dense(1, activation="sigmoid"))
    return made


@model
def operators():
    i = keras.Input((32, 32, 3))
    x = L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(i / 127.5 - 1.0))
    x = x * (L.ReLU(6.0)(x + 3.0) * (1 / 6))
    s = L.Conv2D(8, 1)(L.Conv2D(4, 1, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(x)))
    x = L.Multiply()([x, L.ReLU(6.0)(s + 3.0) * (1 / 6)])
    x = tf.nn.relu(x) + tf.nn.relu6(2.0 - x)
    return keras.Model(i, L.Dense(3)(L.GlobalAveragePooling2D()(x)))


@model
def many_layers():
    i = keras.Input((40, 32, 3))
    x = L.SeparableConv2D(8, 3, depth_multiplier=2, activation="elu")(L.Rescaling(1 / 255)(i))
    x = L.AveragePooling2D(2)(L.PReLU(shared_axes=[1, 2])(x))
    x = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="selu")(x)
    x = L.Activation("gelu")(L.LayerNormalization()(L.UpSampling2D(2)(x)))
    return keras.Model(i, L.Dense(4, activation="sigmoid")(L.GlobalMaxPooling2D()(x)))


@model
def augmented():
    layers = [L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomZoom(0.1), L.RandomContrast(0.1)]
    augmentation = keras.Sequential(layers, name="augmentation")
    i = keras.Input((32, 32, 3))
    x = base(pooling="avg")(L.Rescaling(1 / 255)(augmentation(i)))
    return keras.Model(i, L.Dense(2)(x))


@model
def preprocessed():
    """As ResNet50 and DenseNet are prepared: channels turned round and means taken off, or a deviation of each."""
    i = keras.Input((32, 32, 3))
    x = base(pooling="avg", name="caffe")(keras.applications.resnet50.preprocess_input(i))
    y = base(pooling="avg", name="torch")(keras.applications.densenet.preprocess_input(i))
    return keras.Model(i, L.Dense(3)(L.Concatenate()([x, y])))


@model
def functions():
    """Functions of TensorFlow on tensors, and numbers for each channel."""
    i = keras.Input((24, 28, 3), dtype="uint8")
    x = L.Conv2D(6, 3)(tf.image.resize(tf.cast(i, "float32") / 255.0, (20, 22))[:, 1:-1, 2:])
    row = np.linspace(-0.3, 0.4, 6).astype("float32")
    parts = [tf.nn.leaky_relu(x), tf.nn.leaky_relu(x, alpha=0.1), -x, tf.nn.elu(x), tf.square(x), tf.abs(x), x * row, x + row,
             tf.math.softplus(x), tf.exp(x), tf.maximum(x, 0.1), tf.nn.softmax(x), tf.sqrt(tf.exp(x))]
    x = L.Conv2D(5, 3, activation="relu")(tf.concat(parts, axis=-1))
    x = tf.concat([tf.reduce_mean(x, axis=[1, 2]), tf.reduce_max(x, axis=(1, 2)), tf.reduce_sum(x, [1, 2]) / 50.0], 1)
    return keras.Model(i, L.Dense(3)(x))


@model
def mixed():
    keras.mixed_precision.set_global_policy("mixed_float16")
    made = nested()
    keras.mixed_precision.set_global_policy("float32")
    return made


def write(name):
    keras.backend.clear_session()
    keras.utils.set_random_seed(sum(map(ord, name)))
    made = MODELS[name]()
    prepare(made, sum(map(ord, name)))
    for ending in ENDINGS[name].split():
        made.save(OUT / f"keras2-{name}.{ending}")
    _, height, width, channels = made.input_shape
    images = [picture(n, height, width, channels)[None] for n in PICTURES]
    try:
        double = copy(made, "float64")
    except TypeError:
        # Keras 2 makes a number before a tensor one of single precision, whatever the tensor is.
        double, images = copy(made, "float32"), [image.astype("float32") for image in images]
    truths = [double(image, training=False).numpy()[0].astype("float64") for image in images]
    single = 0.0
    for image, truth in zip(images, truths):
        found = copy(made, "float32")(image.astype("float32"), training=False).numpy()[0]
        single = max(single, float(np.abs(found - truth).max() / np.abs(truth).max()))
    answers = [{"picture": n, "logits": truth.tolist(), "layer": None, "map": None} for n, truth in zip(PICTURES, truths)]
    document = {"input": [height, width, channels], "single": float(f"{single:.2g}"), "answers": answers}
    (OUT / f"keras2-{name}.json").write_text(json.dumps(document) + "\n")
    moves = np.abs(truths[0] - truths[1]).max()
    print(name, np.round(truths[0], 4), f"moves by {moves:.3g}, single precision {single:.1e}", flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        write(name)
