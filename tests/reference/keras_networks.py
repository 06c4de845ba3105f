"""The six networks of keras.applications with seeded weights, for the scripts beside this file."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import keras
import numpy as np

import seeded

APPLICATIONS = keras.applications
# Name here: network, input size, CAM layer, preprocessing.
NETWORKS = {
    "nasnet-mobile": (APPLICATIONS.NASNetMobile, 224, "activation_187", APPLICATIONS.nasnet),
    "mobilenet-v2": (APPLICATIONS.MobileNetV2, 224, "out_relu", APPLICATIONS.mobilenet_v2),
    "densenet121": (APPLICATIONS.DenseNet121, 224, "relu", APPLICATIONS.densenet),
    "resnet50-v2": (APPLICATIONS.ResNet50V2, 224, "post_relu", APPLICATIONS.resnet_v2),
    "xception": (APPLICATIONS.Xception, 299, "block14_sepconv2_act", APPLICATIONS.xception),
    "inception-v3": (APPLICATIONS.InceptionV3, 299, "mixed10", APPLICATIONS.inception_v3),
}


def build(name, precision, size=None, classes=1000, beta=0.0):
    """The network `name` with logits for outputs, in `precision` (float32 or float64)."""
    network, usual, _, _ = NETWORKS[name]
    size = size or usual
    # Layers without a name of their own are numbered from the start of the process, or from here.
    keras.utils.clear_session()
    keras.backend.set_floatx(precision)
    model = network(
        weights=None, input_shape=(size, size, 3), classes=classes, classifier_activation=None
    )
    seeded.fill(model, beta)
    return model


def images(name, seeds, size, precision):
    """A batch (N, size, size, 3) of seeded images, scaled as the network takes them."""
    pixels = np.stack([seeded.image(f"image/{seed}", size) for seed in seeds])
    return NETWORKS[name][3].preprocess_input(pixels.astype(precision))


def rounded(values, digits=8):
    """Numbers for a file, of so many digits."""
    return [float(f"{value:.{digits}g}") for value in np.asarray(values).ravel()]


def summary(values, count=256):
    """What a file keeps of a large tensor."""
    values = np.asarray(values, dtype=np.float64)
    return {
        "shape": list(values.shape),
        "largest": rounded(np.abs(values).max())[0],
        "mean": rounded(values.mean())[0],
        "norm": rounded(np.sqrt((values**2).sum()))[0],
        "samples": rounded(seeded.sample(values, count)),
    }
