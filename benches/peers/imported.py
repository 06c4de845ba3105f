"""The Keras networks that are timed from their files, and PyTorch's own of the same names.

    KERAS_BACKEND=torch python benches/peers/imported.py FOLDER     # writes NAME.keras for each

Weights are drawn: time does not depend on them. torchvision builds the same layers, but for what a framework does
differently by habit (padding that Keras writes as a layer of its own, constants of batch normalisation).
"""

import os
import sys

# Keras's class and torchvision's function.
NETWORKS = {
    "mobilenet-v2": ("MobileNetV2", "mobilenet_v2"),
    "efficientnet-b0": ("EfficientNetB0", "efficientnet_b0"),
    "mobilenet-v3-large": ("MobileNetV3Large", "mobilenet_v3_large"),
    "resnet50": ("ResNet50", "resnet50"),
    "convnext-tiny": ("ConvNeXtTiny", "convnext_tiny"),
}


def peer(name):
    """PyTorch's network."""
    from torchvision import models

    return getattr(models, NETWORKS[name][1])(weights=None)


def main():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    for name, (ours, _) in NETWORKS.items():
        path = os.path.join(sys.argv[1], f"{name}.keras")
        if not os.path.exists(path):
            getattr(keras.applications, ours)(weights=None).save(path)


if __name__ == "__main__":
    main()
