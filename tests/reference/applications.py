"""The networks of keras.applications, and what Keras makes of pictures in double precision.

    python tests/reference/applications.py                      # narrow ones, into tests/imported/applications
    python tests/reference/applications.py FOLDER [NAME...]     # all 40, into FOLDER, but those that it has

Weights are drawn by a seed, and batch normalisations are calibrated: imported.py says how. Those that are
committed are narrow members of each family, by Keras's own code, with weights of few different values, which
pack. All 40 have their own widths and depths, 10 classes, and pictures of 96x96 unless SIZE or LARGER says otherwise.
"""

import os
import pathlib
import sys
import time

import imported
from imported import keras, np

from keras import applications as A
from keras.src.applications import convnext, densenet, efficientnet, efficientnet_v2, resnet

SIZE = int(os.environ.get("SIZE", "96"))
# Networks whose last feature maps would have one pixel at 96x96.
LARGER = {"InceptionV3": 139, "InceptionResNetV2": 139}
# Networks whose map of the first picture is nearly empty.
PICTURES = {"InceptionResNetV2": 21, "EfficientNetB0": 21}

NAMES = (
    "Xception VGG16 VGG19 ResNet50 ResNet101 ResNet152 ResNet50V2 ResNet101V2 ResNet152V2 InceptionV3 "
    "InceptionResNetV2 MobileNet MobileNetV2 DenseNet121 DenseNet169 DenseNet201 NASNetMobile NASNetLarge "
    "EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3 EfficientNetB4 EfficientNetB5 EfficientNetB6 "
    "EfficientNetB7 EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2S "
    "EfficientNetV2M EfficientNetV2L ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge "
    "MobileNetV3Small MobileNetV3Large"
).split()

USUAL = dict(weights=None, classes=4)


def residual(x, version):
    block = {1: resnet.stack_residual_blocks_v1, 2: resnet.stack_residual_blocks_v2}[version]
    x = block(x, 8, 2, stride1=1, name="conv2") if version == 1 else block(x, 8, 2, name="conv2")
    return block(x, 12, 2, name="conv3") if version == 1 else block(x, 12, 2, stride1=1, name="conv3")


def narrow_resnet(version):
    return resnet.ResNet(lambda x: residual(x, version), version == 2, version == 1, name=f"resnet_v{version}",
                         weights_name="none", input_shape=(64, 64, 3), **USUAL)


def narrow_efficientnet_v2():
    blocks = [dict(block, num_repeat=1, input_filters=max(8, block["input_filters"] // 6), output_filters=max(8, block["output_filters"] // 6))
              for block in efficientnet_v2.DEFAULT_BLOCKS_ARGS["efficientnetv2-b0"]]
    return efficientnet_v2.EfficientNetV2(width_coefficient=1.0, depth_coefficient=1.0, default_size=64, blocks_args=blocks,
                                          input_shape=(64, 64, 3), name="efficientnet-v2", weights_name="none", **USUAL)


NARROW = {
    "mobilenet": lambda: A.MobileNet(input_shape=(128, 128, 3), alpha=0.25, **USUAL),
    "mobilenet-v2": lambda: A.MobileNetV2(input_shape=(128, 96, 3), alpha=0.35, **USUAL),
    "mobilenet-v3": lambda: A.MobileNetV3Small(input_shape=(64, 64, 3), alpha=0.35, **USUAL),
    "efficientnet": lambda: efficientnet.EfficientNet(0.25, 0.3, 64, input_shape=(64, 64, 3), name="efficientnet", weights_name="none", **USUAL),
    "efficientnet-v2": narrow_efficientnet_v2,
    "convnext": lambda: convnext.ConvNeXt(depths=[1, 1, 2, 1], projection_dims=[8, 16, 24, 32], default_size=64,
                                          input_shape=(64, 64, 3), name="convnext", weights_name="none", **USUAL),
    "densenet": lambda: densenet.DenseNet([2, 2, 2, 2], input_shape=(64, 64, 3), name="densenet", **USUAL),
    "resnet": lambda: narrow_resnet(1),
    "resnet-v2": lambda: narrow_resnet(2),
}


def coarse(model):
    """Weights of few different values, which pack: kernels in steps of a quarter of their deviation."""
    for layer in imported.every_layer(model):
        for weight in layer.weights:
            if len(weight.shape) > 1 and int(np.prod(weight.shape)) > 64:
                value = np.asarray(weight)
                step = value.std() / 2 or 1.0
                weight.assign(np.clip(np.round(value / step), -4, 4) * step)


def write(name, make, few):
    start = time.time()
    keras.backend.clear_session()
    seed = sum(map(ord, name))
    keras.utils.set_random_seed(seed)
    made = make()
    if few:
        coarse(made)
    # Depth without an amplification: scales that ConvNeXt starts with hide its blocks.
    for layer in imported.every_layer(made):
        for weight in layer.weights:
            if weight.name == "gamma" and type(layer).__name__ == "LayerScale":
                weight.assign(np.full(weight.shape, 0.3))
    imported.finish(made, name, pictures=(20, 21) if few else (PICTURES.get(name, 20),), digits=7)
    print(f"{name}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        imported.OUT = pathlib.Path(sys.argv[1])
        for name in sys.argv[2:] or NAMES:
            if (imported.OUT / f"{name}.json").exists():
                continue
            side = max(SIZE, LARGER.get(name, 0))
            write(name, lambda: getattr(A, name)(weights=None, classes=10, input_shape=(side, side, 3)), False)
    else:
        imported.OUT = imported.OUT / "applications"
        for name, make in NARROW.items():
            write(name, make, True)
