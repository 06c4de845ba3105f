"""Small models as people build them, and what Keras makes of pictures in double precision.

    python tests/reference/imported.py [NAME...]

writes tests/imported/NAME.keras (or .h5) and tests/imported/NAME.json: scores before the last
activation, and the Grad-CAM map of the first class at the last feature maps. Pictures are not stored:
pixel (y, x, channel) of picture n is (13 y y + 7 x y + 31 x + 97 channel + 17 y + 53 n) mod 256, here
and in tests/imported.rs.

Batch normalisations are calibrated: their running statistics are those of real activations, so that
scores depend on the picture. All other weights are drawn by a seed.
"""

import json
import os
import pathlib
import sys
import zipfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

OUT = pathlib.Path(__file__).parent.parent / "imported"


def picture(n, height, width, channels):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    return ((13 * y * y + 7 * x * y + 31 * x + 97 * c + 17 * y + 53 * n) % 256).astype("float64")


def every_layer(model):
    """All layers, those of models inside included, in the order of building."""
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
            name, shape = weight.name, weight.shape
            if name in ("bias", "beta", "moving_mean"):
                weight.assign(random.normal(0, 0.2, shape))
            elif name in ("gamma", "moving_variance"):
                weight.assign(random.uniform(0.5, 1.5, shape))
            elif name == "alpha":
                weight.assign(random.uniform(0.05, 0.4, shape))
        if isinstance(layer, L.BatchNormalization):
            norms.append((layer, layer.momentum, layer.trainable))
    _, height, width, channels = model.inputs[0].shape
    batch = np.stack([picture(n, height or 32, width or 32, channels) for n in range(8)])
    for layer, _, _ in norms:
        layer.momentum, layer.trainable = 0.0, True
    # Statistics of one layer change what the next one sees only in training mode, which is this.
    if norms:
        flags = [(layer, layer.trainable) for layer in model._flatten_layers()]
        for layer, _ in flags:
            layer.trainable = True
        model(batch, training=True)
        for layer, flag in flags:
            layer.trainable = flag
    for layer, momentum, trainable in norms:
        layer.momentum, layer.trainable = momentum, trainable


def linear_head(config):
    """The configuration with the last activation taken out."""
    layers = config["config"]["layers"]
    for layer in reversed(layers):
        if "layers" in layer["config"]:
            linear_head(layer)
            return
        name = layer["config"].get("activation")
        if name in ("softmax", "sigmoid"):
            layer["config"]["activation"] = "linear"
        if layer["class_name"] == "Softmax":
            layer["class_name"], layer["config"] = "Activation", {"activation": "linear", "name": layer["config"]["name"]}
            for node in layer.get("inbound_nodes", []):
                node["kwargs"] = {}
        if layer["class_name"] not in ("Dropout",):
            return


def double(model, precision="float64"):
    """The model of the file in this precision, without its last activation."""
    text = json.dumps(keras.saving.serialize_keras_object(model))
    for policy in ("mixed_float16", "mixed_bfloat16", "bfloat16", "float16", "float32", "float64"):
        text = text.replace(f'"{policy}"', f'"{precision}"')
    config = json.loads(text)
    linear_head(config)
    keras.config.set_floatx(precision)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights([np.asarray(w, precision) if "float" in str(w.dtype) or w.dtype.kind == "V" else w
                      for w in (np.asarray(keras.ops.convert_to_numpy(w)) for w in model.weights)])
    for layer in every_layer(copy):
        if isinstance(layer, L.Normalization):
            layer.finalize_state()
    keras.config.set_floatx("float32")
    return copy


def explain(model, image):
    """Scores, and the Grad-CAM map of class 0 at the last feature maps of more than one pixel."""
    seen = []

    def watch(layer, name):
        call = layer.call

        def spy(*args, **kwargs):
            output = call(*args, **kwargs)
            seen.append((name, output))
            return output

        layer.call = spy

    def walk(model, prefix):
        # Arithmetic on tensors, as x + y, is among the operations and no layer.
        for layer in getattr(model, "operations", model.layers):
            name = prefix + layer.name
            if isinstance(layer, keras.Model):
                walk(layer, name + "/")
            elif not isinstance(layer, L.InputLayer):
                watch(layer, name)

    walk(model, "")
    with tf.GradientTape(persistent=True) as tape:
        x = tf.constant(image[None])
        tape.watch(x)
        logits = model(x, training=False)
        score = logits[0, 0]
    best = None
    for name, output in reversed(seen):
        if isinstance(output, tf.Tensor) and len(output.shape) == 4 and output.shape[1] * output.shape[2] > 1:
            gradient = tape.gradient(score, output)
            if gradient is not None and output is not x:
                best = (name, output, gradient)
                break
    if best is None:
        return logits.numpy()[0], None, None
    name, output, gradient = best
    weights = tf.reduce_mean(gradient, axis=(1, 2))
    cam = tf.nn.relu(tf.einsum("nhwc,nc->nhw", output, weights))[0].numpy()
    return logits.numpy()[0], name, cam


MODELS = {}


def model(function):
    MODELS[function.__name__.replace("_", "-")] = function
    return function


def bn_relu(x, **kwargs):
    return L.ReLU()(L.BatchNormalization(**kwargs)(x))


def small_base(shape=(32, 32, 3), pooling=None, name="base"):
    """A little residual network with batch normalisation, as an application without its top."""
    i = keras.Input(shape)
    x = bn_relu(L.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="stem")(i))
    y = bn_relu(L.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    y = L.BatchNormalization(momentum=0.9, epsilon=1e-5)(L.Conv2D(6, 1, use_bias=False)(y))
    x = L.Add()([x, y])
    x = L.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = bn_relu(L.Conv2D(8, 3, strides=2, name="last")(x))
    if pooling == "avg":
        x = L.GlobalAveragePooling2D()(x)
    if pooling == "max":
        x = L.GlobalMaxPooling2D()(x)
    return keras.Model(i, x, name=name)


@model
def nested_average():
    i = keras.Input((32, 32, 3))
    x = L.Rescaling(1 / 127.5, offset=-1)(i)
    x = small_base(pooling="avg")(x, training=False)
    x = L.Dropout(0.3)(x)
    return keras.Model(i, L.Dense(2, activation="softmax")(x))


@model
def nested_maximum():
    base = small_base(pooling="max")
    base.trainable = False
    return keras.Sequential([keras.Input((32, 32, 3)), L.Rescaling(1 / 255), base, L.Dense(3, activation="softmax")])


@model
def nested_no_pooling():
    i = keras.Input((32, 32, 3))
    x = small_base()(L.Rescaling(1 / 255)(i))
    x = L.Flatten()(x)
    x = L.Dense(12)(x)
    x = L.BatchNormalization()(x)
    x = L.Activation("relu")(x)
    x = L.Dropout(0.5)(x)
    x = L.Dense(6, activation="relu")(x)
    return keras.Model(i, L.Dense(1, activation="sigmoid")(x))


@model
def continued_base():
    base = small_base()
    x = L.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, L.Dense(4, name="predictions")(x))


@model
def nested_twice():
    inner = small_base(name="inner")
    outer = keras.Sequential([keras.Input((32, 32, 3)), L.Rescaling(1 / 255), inner, L.Conv2D(5, 1, activation="relu")], name="outer")
    i = keras.Input((32, 32, 3))
    x = L.GlobalAveragePooling2D()(outer(i))
    return keras.Model(i, L.Dense(3, activation="softmax")(x))


@model
def normalization():
    n = L.Normalization()
    n.adapt(np.stack([picture(k, 24, 40, 3) for k in range(6)]))
    i = keras.Input((24, 40, 3))
    x = L.Conv2D(6, 3, activation="relu")(n(i))
    x = L.MaxPooling2D()(x)
    x = L.Conv2D(6, 3, padding="same", activation="relu")(x)
    return keras.Model(i, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


@model
def normalization_by_numbers():
    i = keras.Input((20, 20, 3))
    x = L.Normalization(mean=[120.0, 110.0, 100.0], variance=[3600.0, 3300.0, 3000.0])(i)
    x = L.Conv2D(5, 3, activation="relu")(x)
    return keras.Model(i, L.Dense(2, activation="softmax")(L.Flatten()(x)))


@model
def augmented():
    return keras.Sequential([
        keras.Input((28, 28, 3)), L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomZoom(0.1),
        L.RandomContrast(0.2), L.RandomTranslation(0.1, 0.1), L.RandomBrightness(0.2), L.GaussianNoise(0.1),
        L.Rescaling(1 / 255), L.Conv2D(6, 3, activation="relu"), L.SpatialDropout2D(0.2), L.MaxPooling2D(),
        L.Conv2D(8, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(3, activation="softmax")])


@model
def grey():
    i = keras.Input((32, 32, 1))
    x = L.Conv2D(3, 3, padding="same")(L.Rescaling(1 / 255)(i))
    x = small_base(pooling="avg")(x)
    return keras.Model(i, L.Dense(2, activation="softmax")(x))


@model
def wide():
    i = keras.Input((24, 48, 3))
    x = small_base((24, 48, 3))(L.Rescaling(1 / 255)(i))
    return keras.Model(i, L.Dense(5, activation="softmax")(L.GlobalMaxPooling2D()(x)))


@model
def multi_label():
    i = keras.Input((32, 32, 3))
    x = small_base(pooling="avg")(L.Rescaling(1 / 255)(i))
    return keras.Model(i, L.Dense(4, activation="sigmoid")(x))


@model
def unit_norm():
    i = keras.Input((32, 32, 3))
    x = small_base(pooling="max")(L.Rescaling(1 / 255)(i))
    return keras.Model(i, L.Dense(3, activation="softmax")(L.UnitNormalization()(x)))


@model
def squeeze_and_excite():
    i = keras.Input((24, 24, 3))
    x = L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(L.Rescaling(1 / 255)(i))
    x = L.Activation("swish")(L.BatchNormalization()(x))
    s = L.GlobalAveragePooling2D()(x)
    s = L.Reshape((1, 1, 8))(s)
    s = L.Conv2D(2, 1, activation="swish")(s)
    s = L.Conv2D(8, 1, activation="sigmoid")(s)
    x = L.Multiply()([x, s])
    x = L.Conv2D(6, 1, use_bias=False)(x)
    x = L.BatchNormalization()(x)
    return keras.Model(i, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(x)))


@model
def hard_squeeze():
    i = keras.Input((24, 24, 3))
    x = L.Conv2D(8, 3, strides=2, padding="same")(L.Rescaling(1 / 127.5, -1)(i))
    x = L.Activation("hard_silu")(x)
    s = L.GlobalAveragePooling2D(keepdims=True)(x)
    s = L.ReLU()(L.Conv2D(4, 1)(s))
    s = L.Activation("hard_sigmoid")(L.Conv2D(8, 1)(s))
    x = L.Multiply()([x, s])
    x = L.GlobalAveragePooling2D(keepdims=True)(L.Conv2D(6, 3, activation="relu6")(x))
    x = L.Conv2D(3, 1)(x)
    return keras.Model(i, L.Softmax()(L.Flatten()(x)))


@model
def convnext_block():
    i = keras.Input((24, 24, 3))
    x = L.Conv2D(8, 4, strides=4)(L.Rescaling(1 / 255)(i))
    x = L.LayerNormalization(epsilon=1e-6)(x)
    y = L.DepthwiseConv2D(7, padding="same")(x)
    y = L.LayerNormalization(epsilon=1e-6)(y)
    y = L.Dense(16)(y)
    y = L.Activation("gelu")(y)
    y = L.Dense(8)(y)
    x = L.Add()([x, y])
    x = L.LayerNormalization(epsilon=1e-6)(L.GlobalAveragePooling2D()(x))
    return keras.Model(i, L.Dense(3)(x))


@model
def groups():
    i = keras.Input((20, 20, 3))
    x = L.Conv2D(8, 3, groups=1)(L.Rescaling(1 / 255)(i))
    x = L.GroupNormalization(groups=4)(x)
    x = L.Conv2D(8, 3, groups=2, activation="silu")(x)
    x = L.GroupNormalization(groups=-1)(x)
    x = L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)
    x = L.SeparableConv2D(6, 3, depth_multiplier=2, padding="same", activation="tanh")(x)
    return keras.Model(i, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(x)))


@model
def activations():
    i = keras.Input((18, 18, 3))
    x = L.Conv2D(4, 3)(L.Rescaling(1 / 255)(i))
    parts = [L.Activation(name)(x) for name in
             ("elu", "selu", "softplus", "softsign", "tanh", "sigmoid", "gelu", "silu", "hard_sigmoid", "leaky_relu", "mish")]
    parts += [L.LeakyReLU(0.2)(x), L.ELU(0.7)(x), L.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.3)(x),
              L.PReLU(shared_axes=[1, 2])(x), L.PReLU()(x)]
    x = L.Concatenate()(parts)
    x = L.Conv2D(6, 3, activation="relu")(x)
    return keras.Model(i, L.Dense(3)(L.GlobalAveragePooling2D()(x)))


@model
def merges():
    i = keras.Input((18, 18, 3))
    r = L.Rescaling(1 / 255)(i)
    a = L.Conv2D(4, 3, activation="relu")(r)
    b = L.Conv2D(4, 3, activation="silu")(r)
    c = L.Conv2D(1, 3, activation="sigmoid")(r)
    x = L.Concatenate()([L.Add()([a, b, a]), L.Subtract()([a, b]), L.Multiply()([a, c]), L.Average()([a, b]),
                         L.Maximum()([a, b]), L.Minimum()([a, b])])
    return keras.Model(i, L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(5, 3)(x))))


@model
def shapes():
    i = keras.Input((21, 19, 3))
    x = L.Cropping2D(((1, 2), (0, 1)))(L.Rescaling(1 / 255)(i))
    x = L.ZeroPadding2D((2, 1))(x)
    x = L.Conv2D(4, 3, strides=(2, 1), activation="relu")(x)
    x = L.UpSampling2D((2, 3))(x)
    x = L.Conv2D(4, 3, strides=2, activation="relu")(x)
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    x = L.AveragePooling2D(3, strides=2, padding="same")(x)
    x = L.MaxPooling2D((2, 3), padding="same")(x)
    x = L.Conv2D(5, 3, dilation_rate=2, padding="same", activation="relu")(x)
    x = L.Reshape((-1, 5))(x)
    x = L.Flatten()(x)
    return keras.Model(i, L.Dense(2)(x))


@model
def resized():
    i = keras.Input((30, 40, 3))
    x = L.CenterCrop(26, 30)(i)
    x = L.Resizing(20, 22)(x)
    x = L.Rescaling([1 / 255, 1 / 200, 1 / 100], offset=[0.0, -0.5, 0.1])(x)
    x = L.Conv2D(6, 3, activation="relu")(x)
    return keras.Model(i, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


@model
def transposed():
    i = keras.Input((16, 16, 3))
    x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(L.Rescaling(1 / 255)(i))
    x = L.Conv2DTranspose(5, 3, strides=2, padding="same", activation="relu")(x)
    x = L.Conv2DTranspose(4, 4, strides=3, padding="valid")(x)
    x = L.Conv2DTranspose(4, 2, strides=2, use_bias=False)(x)
    return keras.Model(i, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


@model
def shared():
    i = keras.Input((16, 16, 3))
    conv = L.Conv2D(3, 3, padding="same", activation="relu", name="again")
    r = L.Rescaling(1 / 255)(i)
    x = conv(conv(r))
    base = keras.Sequential([keras.Input((16, 16, 3)), L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU()], name="twin")
    x = L.Concatenate()([base(x), base(r)])
    return keras.Model(i, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


@model
def arithmetic():
    i = keras.Input((16, 16, 3))
    x = i / 127.5 - 1.0
    x = L.Conv2D(4, 3)(x)
    x = x * 2.0 + L.Conv2D(4, 3)(i * 0.01)
    x = L.ReLU()(1.0 - x)
    return keras.Model(i, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(x)))


@model
def average_of_softmax():
    i = keras.Input((16, 16, 3))
    x = L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 255)(i))
    x = L.Dense(5, activation="softmax")(L.GlobalAveragePooling2D()(x))
    return keras.Model(i, L.Dense(2)(x))


@model
def norm_variants():
    i = keras.Input((16, 16, 3))
    x = L.Conv2D(4, 3)(L.Rescaling(1 / 255)(i))
    x = L.BatchNormalization(scale=False)(x)
    x = L.ReLU()(x)
    x = L.Conv2D(4, 3)(x)
    x = L.BatchNormalization(center=False, axis=3)(x)
    x = L.LayerNormalization(center=False)(x)
    x = L.LayerNormalization(scale=False)(x)
    x = L.ReLU()(x)
    return keras.Model(i, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


@model
def dropped_head():
    i = keras.Input((16, 16, 3))
    x = L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 255)(i))
    x = L.GlobalAveragePooling2D()(x)
    x = L.AlphaDropout(0.2)(L.GaussianDropout(0.2)(x))
    x = L.Dense(8, use_bias=False)(x)
    x = L.LeakyReLU(negative_slope=0.1)(x)
    return keras.Model(i, L.Activation("softmax", name="probabilities")(L.Dense(3)(x)))


@model
def spatial_attention():
    i = keras.Input((20, 20, 3))
    x = L.Conv2D(6, 3, activation="relu")(L.Rescaling(1 / 255)(i))
    g = L.Dense(6, activation="sigmoid")(L.Dense(2, activation="relu")(L.GlobalMaxPooling2D()(x)))
    x = L.Multiply()([x, L.Reshape((1, 1, 6))(g)])
    a = L.Conv2D(1, 7, padding="same", activation="sigmoid")(x)
    x = L.Multiply()([x, a])
    return keras.Model(i, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(x)))


@model
def half_mixed():
    with_policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    i = keras.Input((16, 16, 3))
    x = L.Conv2D(4, 3, activation="relu", dtype=with_policy)(L.Rescaling(1 / 255)(i))
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(i, L.Dense(2, activation="softmax", dtype="float32")(x))


@model
def half_brain():
    return keras.Sequential([keras.Input((16, 16, 3)), L.Rescaling(1 / 255),
                             L.Conv2D(4, 3, activation="relu", dtype="bfloat16"),
                             L.GlobalAveragePooling2D(), L.Dense(2)])


@model
def whole_double():
    return keras.Sequential([keras.Input((16, 16, 3), dtype="float64"), L.Rescaling(1 / 255, dtype="float64"),
                             L.Conv2D(4, 3, activation="relu", dtype="float64"),
                             L.GlobalAveragePooling2D(dtype="float64"), L.Dense(2, dtype="float64")])


@model
def low_rank():
    m = keras.Sequential([keras.Input((16, 16, 3)), L.Rescaling(1 / 255), L.Conv2D(4, 3, activation="relu"),
                          L.GlobalAveragePooling2D(), L.Dense(2)])
    m.layers[-1].enable_lora(1)
    return m


# What is also written as a whole .h5.
OLD = ("nested-average", "nested-twice", "norm-variants", "normalization", "shared")


def squeeze(path):
    """Compresses the members, which Keras only stores: most of a small file is HDF5's own."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@model
def preprocessed_caffe():
    """As ResNet50 and VGG are prepared: channels turned round, means taken off."""
    i = keras.Input((32, 32, 3))
    x = keras.applications.resnet.preprocess_input(i)
    x = small_base(pooling="avg")(x, training=False)
    return keras.Model(i, L.Dense(3, activation="softmax")(x))


@model
def preprocessed_torch():
    """As DenseNet is prepared: mean and deviation of each channel."""
    i = keras.Input((32, 32, 3))
    x = keras.applications.densenet.preprocess_input(i)
    x = small_base(pooling="avg")(x, training=False)
    return keras.Model(i, L.Dense(2)(x))


@model
def operations():
    """Operations of keras.ops, constants, pieces, and a squeeze that is multiplied without a Reshape."""
    i = keras.Input((32, 36, 3))
    x = (i - np.array([120.0, 115.0, 100.0], "float32")) / 64.0
    x = keras.ops.relu(L.Conv2D(6, 3, strides=2)(x[:, 2:-2, 1:33, :]))
    x = L.BatchNormalization()(L.Conv2D(8, 3)(x[..., ::-1]))
    x = keras.ops.silu(x) + keras.ops.sigmoid(x)
    x = L.Multiply()([L.Dense(8, activation="sigmoid")(L.GlobalAveragePooling2D()(x)), x])
    x = keras.ops.tanh(L.Conv2D(8, 1, name="last")(x[..., 1:7]))
    return keras.Model(i, L.Dense(3)(L.GlobalAveragePooling2D()(x)))


@model
def reductions():
    """Means, sums and maxima along axes; of channels that are all 0 each is the largest."""
    ops = keras.ops
    i = keras.Input((20, 24, 3))
    x = L.Conv2D(4, 3, strides=2, activation="relu")(L.Rescaling(1 / 255)(i))
    both = L.Concatenate()([ops.mean(x, axis=-1, keepdims=True), ops.max(x, axis=-1, keepdims=True)])
    x = x * L.Conv2D(1, 3, padding="same", activation="sigmoid")(both)
    x = x * ops.sigmoid(ops.mean(x, axis=1, keepdims=True)) + ops.max(x, axis=2, keepdims=True)
    x = L.ReLU()(L.BatchNormalization(name="norm")(L.Conv2D(4, 3, name="last")(x)))
    parts = [ops.mean(x, axis=[1, 2]), ops.max(x, axis=(1, 2)), ops.sum(x, axis=[1, 2]) / 50,
             L.Flatten()(ops.max(x, axis=-1)), L.Flatten()(ops.sum(x, axis=1)), L.GlobalMaxPooling2D()(x)]
    return keras.Model(i, L.Dense(3)(L.Concatenate()(parts)))


@model
def functions():
    """Functions of numbers, and numbers as operands."""
    ops = keras.ops
    i = keras.Input((14, 16, 3))
    x = L.Conv2D(6, 3)(L.Rescaling(1 / 255)(i))
    row = np.linspace(-0.3, 0.4, 6).astype("float32")
    up = ops.exp(x)
    parts = [ops.clip(x, -0.1, 0.3), ops.maximum(x, 0.1), ops.minimum(0.2, x), ops.maximum(x, row), abs(x),
             ops.square(x), x ** 3, up ** 0.5, up ** 1.5, up ** -1, ops.sqrt(up), ops.rsqrt(up), ops.reciprocal(up),
             2 / up, x / up, ops.gelu(x), ops.gelu(x, approximate=False), ops.leaky_relu(x, 0.3), ops.elu(x, 0.6)]
    x = L.Conv2D(5, 3, activation="relu", name="last")(L.Concatenate()(parts))
    return keras.Model(i, L.Dense(3)(L.GlobalAveragePooling2D()(x)))


@model
def sequences():
    """Pixels as a sequence: dense at each step, pools over the steps, vectors repeated."""
    ops = keras.ops
    i = keras.Input((12, 14, 3))
    x = L.Conv2D(6, 3, strides=2, activation="relu", name="last")(L.Rescaling(1 / 255)(i))
    s = L.Reshape((-1, 6))(x)
    s = L.LayerNormalization()(L.Dense(5, activation="silu")(s))
    v = L.Dense(5, activation="tanh")(L.GlobalAveragePooling1D()(s))
    s = L.Concatenate(axis=1)([s, L.RepeatVector(4)(v), ops.expand_dims(v, 1)])
    s = L.Dense(5, activation="softmax")(s)
    m = L.GlobalMaxPooling1D()(s)
    d = L.Dot(axes=1)([m, v])
    f = ops.reshape(s, (-1, 35 * 5))
    return keras.Model(i, L.Dense(2)(L.Concatenate()([m, ops.squeeze(ops.expand_dims(v, -1), -1), d, f])))


@model
def placed():
    """Images above and beside each other, and larger ones."""
    ops = keras.ops
    i = keras.Input((15, 17, 3))
    x = L.Conv2D(4, 3, strides=2, activation="relu")(L.Rescaling(1 / 255)(i))
    x = L.Concatenate(axis=1)([x, x * 0.5, x])
    x = L.Concatenate(axis=-2)([x, ops.cast(x, "float32")])
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=0, activation="relu")(x)
    x = L.Conv2DTranspose(3, 3, strides=(3, 2), output_padding=(2, 1))(x)
    x = L.Conv2DTranspose(3, 4, strides=2, padding="same", output_padding=1)(x)
    x = ops.max_pool(ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), 2, 2)
    x = ops.average_pool(ops.image.resize(x, (30, 20)), 3, padding="same")
    x = L.Conv2D(5, 3, activation="relu", name="last")(ops.transpose(x, (0, 1, 2, 3)))
    return keras.Model(i, L.Dense(3)(L.GlobalMaxPooling2D()(x)))


@model
def mean_of_heads():
    """Two classifiers of which the mean of the probabilities is taken."""
    i = keras.Input((16, 16, 3))
    x = L.Conv2D(6, 3, activation="relu")(L.Rescaling(1 / 255)(i))
    heads = [L.Dense(3, activation="softmax")(pool(x)) for pool in (L.GlobalAveragePooling2D(), L.GlobalMaxPooling2D())]
    return keras.Model(i, L.Average()(heads))


@model
def whole_inside():
    """A whole classifier inside, and nothing behind it: its calls are counted from 1 on among the outputs."""
    i = keras.Input((16, 16, 3))
    x = L.GlobalAveragePooling2D()(L.Conv2D(6, 3, activation="silu")(i))
    inner = keras.Model(i, L.Dense(3, activation="softmax")(x), name="inner")
    j = keras.Input((16, 16, 3))
    return keras.Model(j, inner(L.Rescaling(1 / 255)(j)))


@model
def named_outputs():
    """Models inside of several inputs and outputs; outputs with names count in the order of the names."""
    i = keras.Input((16, 16, 3))
    first = L.Conv2D(4, 3, activation="relu")(i)
    second = L.Conv2D(4, 3, activation="tanh")(i)
    split = keras.Model(i, {"a": second, "b": first}, name="split")
    u, v = keras.Input((14, 14, 4)), keras.Input((14, 14, 4))
    joined = keras.Model([u, v], u - 2 * v, name="joined")
    j = keras.Input((16, 16, 3))
    parts = split(L.Rescaling(1 / 255)(j))
    x = joined([parts["b"], parts["a"]])
    return keras.Model(j, L.Dense(2)(L.Concatenate()([L.GlobalMaxPooling2D()(parts["a"]), L.GlobalAveragePooling2D()(x)])))


@model
def group_sequence():
    """Group normalisation spans all steps of a sequence, as it does the pixels of images."""
    i = keras.Input((12, 14, 3))
    x = L.Conv2D(6, 3, strides=2, activation="relu", name="last")(L.Rescaling(1 / 255)(i))
    s = L.GroupNormalization(3)(L.Reshape((-1, 6))(x))
    s = L.GroupNormalization(1, center=False, scale=False)(L.Dense(4, activation="tanh")(s))
    v = L.GroupNormalization(2)(L.Dense(4)(L.GlobalMaxPooling1D()(s)))
    return keras.Model(i, L.Dense(2)(v))


@model
def half_whole():
    """Weights in 16 bits."""
    return keras.Sequential([keras.Input((16, 16, 3)), L.Rescaling(1 / 255),
                             L.Conv2D(4, 3, dtype="float16"), L.BatchNormalization(dtype="float16"), L.ReLU(dtype="float16"),
                             L.GlobalAveragePooling2D(), L.Dense(2, dtype="float16")])


@model
def whole_pixels():
    """Pixels as whole numbers, until something makes others of them."""
    i = keras.Input((16, 18, 3), dtype="uint8")
    x = L.ZeroPadding2D(1)(L.MaxPooling2D((1, 2))(i))
    x = L.Rescaling(1 / 255)(L.Concatenate(axis=2)([x, x[:, :, 2:]]))
    return keras.Model(i, L.Dense(2)(L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(x))))


def apart(found, truth):
    """The largest difference over the largest magnitude of `truth`."""
    truth = np.array(truth)
    return float(np.abs(np.asarray(found, "float64") - truth).max() / max(np.abs(truth).max(), 1e-300))


def finish(made, name, pictures=(20, 21), digits=9):
    """Calibrates the model, and writes it and what it makes of pictures."""
    prepare(made, sum(map(ord, name)))
    OUT.mkdir(exist_ok=True, parents=True)
    made.save(OUT / f"{name}.keras")
    squeeze(OUT / f"{name}.keras")
    if name in OLD:
        made.save(OUT / f"{name}.h5")
    _, height, width, channels = made.inputs[0].shape
    answers = []
    for n in pictures:
        copy = double(made)
        logits, layer, cam = explain(copy, picture(n, height, width, channels))
        answers.append({"picture": n, "logits": logits.tolist(), "layer": layer,
                        "map": None if cam is None else [[float(f"{v:.{digits}g}") for v in row] for row in cam.tolist()]})
    # How far Keras itself is from that in single precision.
    copy = double(made, "float32")
    single, single_map = 0.0, 0.0
    for answer in answers:
        logits, _, cam = explain(copy, picture(answer["picture"], height, width, channels).astype("float32"))
        single = max(single, apart(logits, answer["logits"]))
        if cam is not None:
            single_map = max(single_map, apart(cam, answer["map"]))
    document = {"input": [height, width, channels], "single": float(f"{single:.2g}"),
                "single_map": float(f"{single_map:.2g}"), "answers": answers}
    (OUT / f"{name}.json").write_text(json.dumps(document) + "\n")
    spread = np.abs(np.array(answers[0]["logits"]) - np.array(answers[-1]["logits"])).max()
    print(name, answers[0]["layer"], np.round(answers[0]["logits"], 4), f"moves by {spread:.3g}, single precision {single:.1e} and {single_map:.1e}", flush=True)


def write(name):
    keras.backend.clear_session()
    keras.utils.set_random_seed(len(name) * 101 + sum(map(ord, name)))
    finish(MODELS[name](), name)


if __name__ == "__main__":
    for name in sys.argv[1:] or MODELS:
        write(name)
