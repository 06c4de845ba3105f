"""Files of weights by Keras itself, and Keras's opinion of those that parula writes.

    python keras_weights.py fixtures tests/fixtures/weights     the small files that the tests read
    python keras_weights.py make xception 7 DIR                 a network in every format
    python keras_weights.py check xception 7 FILE               FILE holds those weights: Keras says so
    python keras_weights.py all PARULA DIR [NETWORK ...]        make, convert and check everything

Needs keras 3.15, tensorflow, h5py and safetensors.
"""

import gc
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import h5py
import keras
import numpy as np
from absl import logging
from safetensors.numpy import load_file, save_file

logging.set_verbosity(logging.ERROR)
NETWORKS = {
    "mobilenet-v2": keras.applications.MobileNetV2,
    "nasnet-mobile": keras.applications.NASNetMobile,
    "densenet121": keras.applications.DenseNet121,
    "resnet50-v2": keras.applications.ResNet50V2,
    "xception": keras.applications.Xception,
    "inception-v3": keras.applications.InceptionV3,
}
CLASSES = 3
numpy = keras.ops.convert_to_numpy


def fill(model, seed):
    """Weights that differ in every number, running statistics included."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        value = random.normal(0, 0.1, variable.shape).astype("float32")
        variable.assign(np.abs(value) + 0.5 if "variance" in variable.path else value)
    return model


def flat(name, classes=CLASSES):
    return NETWORKS[name](weights=None, classes=classes)


def save_safetensors(model, path):
    save_file({v.path: numpy(v) for v in model.weights}, path)


def make(name, seed, folder):
    """Every format, from a process that has made layers before, so that Keras's numbers are high."""
    os.makedirs(folder, exist_ok=True)
    keras.backend.clear_session()
    keras.layers.Conv2D(1, 1), keras.layers.BatchNormalization(), keras.layers.Dense(1)
    flat(name)
    model = fill(flat(name), seed)
    model.compile("adam", "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    base = os.path.join(folder, name)
    model.save(f"{base}.h5")
    model.save(f"{base}.keras")
    model.save_weights(f"{base}.weights.h5")
    save_safetensors(model, f"{base}.safetensors")
    keras2(model, f"{base}.keras2.h5")
    without_names(f"{base}.weights.h5", f"{base}.old.weights.h5")
    top = NETWORKS[name](weights=None, include_top=False, input_shape=model.input_shape[1:])
    for own, other in zip(top.weights, model.weights):
        own.assign(other)
    top.save(f"{base}.notop.h5")
    top.save_weights(f"{base}.notop.weights.h5")
    # The usual fine-tuned model: a network inside a Sequential, frozen or not.
    for trainable in (True, False):
        top.trainable = trainable
        layers = [top, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES)]
        nested = keras.Sequential(layers)
        nested.build((None, *model.input_shape[1:]))
        for own, other in zip(nested.layers[-1].weights, model.layers[-1].weights):
            own.assign(other)
        kind = "nested" if trainable else "frozen"
        nested.save(f"{base}.{kind}.h5")
        nested.save(f"{base}.{kind}.keras")
        nested.save_weights(f"{base}.{kind}.weights.h5")


def keras2(model, path):
    """As Keras 2 wrote it: fixed-length names with :0, weights only, compressed for good measure."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([layer.name.encode() for layer in model.layers])
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_("2.2.4")
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = []
            for variable in layer.weights:
                short = variable.name
                if type(layer).__name__ == "DepthwiseConv2D":
                    short = "depthwise_kernel"
                names.append(f"{layer.name}/{short}:0".encode())
                value = numpy(variable)
                group.create_dataset(names[-1], data=value, chunks=value.shape, compression="gzip")
            group.attrs["weight_names"] = np.array(names) if names else np.zeros(0)


def without_names(source, target):
    """As the first versions of Keras 3 wrote it: layers by class and number alone."""
    with open(source, "rb") as file, open(target, "wb") as copy:
        copy.write(file.read())
    with h5py.File(target, "r+") as file:
        groups = []
        file.visititems(lambda _, item: groups.append(item))
        for group in groups:
            if "name" in group.attrs:
                del group.attrs["name"]


class Truth:
    """A network's weights by seed, and the same network to load files into."""

    def __init__(self, name, seed, top=True):
        keras.backend.clear_session()
        model = fill(flat(name), seed)
        self.values = [numpy(v) for v in model.weights]
        # A fresh process, as far as Keras's numbers go.
        keras.backend.clear_session()
        if top:
            self.fresh = flat(name)
        else:
            shape = model.input_shape[1:]
            self.fresh = NETWORKS[name](weights=None, include_top=False, input_shape=shape)
            self.values = self.values[: len(self.fresh.weights)]

    def check(self, path):
        """Loads `path` and compares every number; how many tensors there are."""
        for variable in self.fresh.weights:
            variable.assign(numpy(variable) * 0)
        if path.endswith(".safetensors"):
            found = load_file(path)
            # As our names are; `path` has the scopes of NASNet before the layer.
            variables = {f"{l.name}/{v.name}": v for l in self.fresh.layers for v in l.weights}
            assert set(variables) == set(found), sorted(set(variables) ^ set(found))[:8]
            for key, variable in variables.items():
                variable.assign(found[key])
        else:
            self.fresh.load_weights(path)
        for variable, value in zip(self.fresh.weights, self.values, strict=True):
            assert np.array_equal(numpy(variable), value), f"{path}: {variable.path} differs"
        return len(self.values)


def check_model(path, truth):
    """`load_model` makes the whole model of a .keras whose configuration was carried over."""
    model = keras.models.load_model(path, compile=False)
    for own, value in zip(model.weights, truth.values, strict=True):
        assert np.array_equal(numpy(own), value), own.path


def convert(parula, source, target):
    done = subprocess.run([parula, "weights", "convert", source, target], capture_output=True, text=True)
    assert done.returncode == 0, f"{source} to {target}: {done.stderr}"
    return done.stdout.strip()


def everything(parula, folder, names):
    seed = 11
    for name in names:
        make(name, seed, folder)
        base = os.path.join(folder, name)
        truth, topless = Truth(name, seed), Truth(name, seed, top=False)
        count = 0
        sources = ["h5", "keras", "weights.h5", "safetensors", "keras2.h5", "old.weights.h5"]
        sources += [f"{k}.{f}" for k in ("nested", "frozen") for f in ("h5", "keras", "weights.h5")]
        for source in sources:
            # Every source to one format, and what came of that on to the others.
            first = f"{base}.from.safetensors"
            said = convert(parula, f"{base}.{source}", first)
            assert said.startswith(name), said
            truth.check(first)
            count += 1
        for target in ["h5", "weights.h5", "keras", "safetensors"]:
            path = f"{base}.to.{target}"
            convert(parula, f"{base}.from.safetensors", path)
            tensors = truth.check(path)
            convert(parula, path, f"{base}.back.safetensors")
            truth.check(f"{base}.back.safetensors")
            count += 2
        convert(parula, f"{base}.keras", f"{base}.to.keras")
        check_model(f"{base}.to.keras", truth)
        for source in ["notop.h5", "notop.weights.h5"]:
            for target in ["h5", "weights.h5", "safetensors"]:
                path = f"{base}.to.notop.{target}"
                convert(parula, f"{base}.{source}", path)
                topless.check(path)
                count += 1
        print(f"{name}: {tensors} tensors, {count + 1} conversions, all equal in Keras", flush=True)
        for file in os.listdir(folder):
            if file.startswith(name):
                os.remove(os.path.join(folder, file))
        gc.collect()


def count_up(model):
    """0, 1, 2, ... through all weights of the model."""
    count = 0
    for variable in model.weights:
        size = int(np.prod(variable.shape))
        variable.assign(np.arange(count, count + size, dtype="float32").reshape(variable.shape))
        count += size
    return model


def fixtures(folder):
    """A few layers in all formats. Layers were made before, so that Keras's numbers start at 1."""
    os.makedirs(folder, exist_ok=True)
    keras.layers.Conv2D(1, 1), keras.layers.BatchNormalization()
    images = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(2, 2, use_bias=False)(images)
    x = keras.layers.BatchNormalization()(x)
    base = keras.Model(images, x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = count_up(keras.Model(images, keras.layers.Dense(3, name="predictions")(x)))
    keras2(model, os.path.join(folder, "keras2.h5"))
    model.compile("sgd", "mse")
    model.save(os.path.join(folder, "flat.h5"))
    model.save(os.path.join(folder, "flat.keras"))
    layers = [base, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
    nested = keras.Sequential(layers)
    nested.build((None, None, None, 1))
    count_up(nested)
    nested.save(os.path.join(folder, "nested.h5"))
    nested.save_weights(os.path.join(folder, "nested.weights.h5"))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "fixtures":
        fixtures(rest[0])
    elif command == "make":
        make(rest[0], int(rest[1]), rest[2])
    elif command == "check":
        print(Truth(rest[0], int(rest[1])).check(rest[2]), "tensors, all equal")
    elif command == "all":
        everything(rest[0], rest[1], rest[2:] or list(NETWORKS))
    else:
        sys.exit(__doc__)
