"""Writes cams.json and, of large maps, cams-large.json: the map of every method in Keras and NumPy, in double
precision, on MobileNetV2 at 96x96, or 32x32, with 10 classes and seeded weights.

    pip install tensorflow-cpu keras==3.15.1 && python tests/reference/cam.py [METHOD...]

Written from the papers and from what each file of `src/nets/cam/` says of its method: nothing is shared with
them but the seeded weights and images, and the recipe of random draws. What is drawn is drawn here again:
`rank` is that of `src/draw.rs`, `normal` is what `shaders/pointwise/blend.wgsl` says.
"""

import json
import sys
from pathlib import Path

from keras_networks import build, images, keras, np, rounded

import tensorflow as tf

NAME, SIZE, CLASSES, BETA = "mobilenet-v2", 96, 10, 0.0
EARLY, MIDDLE, LAST = "block_6_expand_relu", "block_13_expand_relu", "out_relu"
# Few channels, for the methods that run the network once for each; the second one is bypassed.
FEW, BYPASSED = "expanded_conv_depthwise_relu", "block_2_expand_relu"
PATCH, STRIDE = 25, 20
# A gradient jumps where a unit passes a kink of its ReLU6, 0 or 6, and rounding decides for a unit that is
# nearer than single precision can tell. Six copies at 96x96 are 7 million units, and the nearest was at 0.4 to
# 0.7 errors (root mean square of its channel's, Keras in single precision against double); of 100 seeds for
# SmoothGrad the best had 2.5. Noise of 3e-7 on every layer moved the sampled numbers by 1e-3 (integrated gradients,
# GradientSHAP) and 1e-2 (SmoothGrad) of the largest, which is how far off they were on an NVIDIA H100.
# So the methods that average gradients take small images, with seeds and a number of steps that keep the nearest
# unit at 38 errors (SmoothGrad), 21 (integrated gradients) and 27 (GradientSHAP), as far as the largest error of
# any unit went. The same noise moves none of them now; of 1e-6, two of 16 draws moved GradientSHAP by 2e-3.
SMALL, AVERAGED = 32, ("smoothgrad", "integrated-gradients", "gradientshap")
SAMPLES, STEPS, SMOOTH_SEED, SHAP_SEED = 6, 4, 18, 1019
U64 = (1 << 64) - 1

small_model = build(NAME, "float64", SMALL, CLASSES, BETA)
model = build(NAME, "float64", SIZE, CLASSES, BETA)
# For the methods that run the network once for each channel of FEW, two of them are 0 everywhere, as some
# of a trained network's are.
CHANNELWISE = ("scorecam", "ablationcam")
BETAS = model.get_layer("expanded_conv_depthwise_BN").beta
ALIVE = BETAS.numpy()
WITH_DEAD = np.where(np.isin(np.arange(32), (3, 7)), -20, ALIVE)

image, other = images(NAME, [0, 1], SIZE, "float64")
scores = model(image[None], training=False).numpy()[0]
order = np.argsort(-scores)
TOP, LATER = int(order[0]), int(order[4])
small, small_other = images(NAME, [0, 1], SMALL, "float64")
small_scores = small_model(small[None], training=False).numpy()[0]


def logits(batch):
    return model(tf.convert_to_tensor(batch), training=False).numpy()


def rebuilt(call):
    """The same layers with the same weights, each called by `call(layer, inputs)`."""
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: layer,
        call_function=lambda layer, *args, **kwargs: call(layer, *args, **kwargs),
    )


def at_layer(layer, label):
    """Activation, and the gradient of the class's logit there."""
    inner = keras.Model(model.input, [model.get_layer(layer).output, model.output])
    with tf.GradientTape() as tape:
        activation, out = inner(image[None], training=False)
        score = out[0, label]
    return activation.numpy()[0], tape.gradient(score, activation).numpy()[0]


def gradients(batch, label):
    """The gradient of the class's logit at each image of a batch, of either size."""
    network = small_model if batch.shape[1] == SMALL else model
    batch = tf.convert_to_tensor(batch)
    with tf.GradientTape() as tape:
        tape.watch(batch)
        score = tf.reduce_sum(network(batch, training=False)[:, label])
    return tape.gradient(score, batch).numpy()


def resize(maps, height, width):
    """Bilinear, centres of pixels at halves."""
    return tf.image.resize(tf.convert_to_tensor(maps)[..., None], (height, width)).numpy()[..., 0]


def cam(layer, label, sign):
    assert layer == LAST
    kernel = model.layers[-1].kernel.numpy()
    activation, _ = at_layer(layer, label)
    return sign * np.einsum("hwc,c->hw", activation, kernel[:, label])


def gradcam(layer, label, sign):
    activation, gradient = at_layer(layer, label)
    return np.maximum(0, np.einsum("hwc,c->hw", activation, sign * gradient.mean((0, 1))))


def hirescam(layer, label, sign):
    activation, gradient = at_layer(layer, label)
    return sign * (activation * gradient).sum(-1)


def gradcam_plus_plus(layer, label, sign):
    activation, gradient = at_layer(layer, label)
    g = sign * gradient
    divisor = 2 * g**2 + activation.sum((0, 1)) * g**3
    alpha = np.divide(g**2, divisor, out=np.zeros_like(g), where=divisor != 0)
    weights = (alpha * np.maximum(g, 0)).sum((0, 1))
    return np.maximum(0, np.einsum("hwc,c->hw", activation, weights))


def xgradcam(layer, label, sign):
    activation, gradient = at_layer(layer, label)
    total = activation.sum((0, 1))
    share = np.divide(activation, total, out=np.zeros_like(activation), where=total != 0)
    weights = (share * sign * gradient).sum((0, 1))
    return np.maximum(0, np.einsum("hwc,c->hw", activation, weights))


def layercam(layer, label, sign):
    activation, gradient = at_layer(layer, label)
    return np.maximum(0, (activation * np.maximum(0, sign * gradient)).sum(-1))


def layercam_of_several(layers, label, sign):
    maps = [layercam(layer, label, sign) for layer in layers]
    size = np.max([one.shape for one in maps], axis=0)
    maps = [resize(one[None], *size)[0] for one in maps]
    return np.max([one / one.max() for one in maps], axis=0)


def scorecam(layer, label, sign):
    activation, _ = at_layer(layer, label)
    masks = resize(np.moveaxis(activation, -1, 0), SIZE, SIZE)
    low, high = (find(masks, axis=(1, 2), keepdims=True) for find in (np.min, np.max))
    masks = np.divide(masks - low, high - low, out=np.zeros_like(masks), where=high > low)
    found = np.concatenate([
        logits(image * masks[first : first + 64, ..., None])[:, label]
        for first in range(0, len(masks), 64)
    ])
    increase = sign * (found - logits(np.zeros_like(image)[None])[0, label])
    weights = np.exp(increase) / np.exp(increase).sum()
    return np.maximum(0, np.einsum("hwc,c->hw", activation, weights))


def ablationcam(layer, label, sign):
    activation, _ = at_layer(layer, label)
    channels = activation.shape[-1]
    kept = tf.constant(1 - np.eye(channels))[:, None, None, :]

    def call(one, *args, **kwargs):
        out = one(*args, **kwargs)
        return out * kept if one.name == layer else out

    found = rebuilt(call)(np.repeat(image[None], channels, 0), training=False).numpy()
    score = logits(image[None])[0, label]
    losses = (score - found[:, label]) / abs(score)
    return np.maximum(0, np.einsum("hwc,c->hw", activation, sign * losses))


def eigencam(layer, _label, sign):
    activation, _ = at_layer(layer, 0)
    h, w, c = activation.shape
    matrix = activation.reshape(h * w, c)
    first = np.linalg.svd(matrix, full_matrices=False)[2][0]
    found = (matrix @ first).reshape(h, w)
    return sign * (found if found.sum() >= 0 else -found)


def activation_map(layer, _label, sign):
    return sign * at_layer(layer, 0)[0].mean(-1)


def saliency(_layer, label, _sign):
    return abs(gradients(image[None], label)[0]).max(-1)


def gradient_x_input(_layer, label, sign):
    return sign * (image * gradients(image[None], label)[0]).sum(-1)


def guided_backprop(_layer, label, sign):
    @tf.custom_gradient
    def guided_relu6(x):
        passes = tf.cast((x > 0) & (x < 6), x.dtype)
        return tf.clip_by_value(x, 0, 6), lambda dy: passes * tf.nn.relu(dy)

    def call(layer, *args, **kwargs):
        if isinstance(layer, keras.layers.ReLU):
            layer = keras.layers.Lambda(guided_relu6)
        return layer(*args, **kwargs)

    guided = rebuilt(call)
    batch = tf.convert_to_tensor(image[None])
    assert abs(guided(batch, training=False).numpy()[0] - scores).max() < 1e-9
    with tf.GradientTape() as tape:
        tape.watch(batch)
        score = sign * guided(batch, training=False)[0, label]
    return abs(tape.gradient(score, batch).numpy()[0]).max(-1)


def mix(state):
    state = (state + 0x9E3779B97F4A7C15) & U64
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & U64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & U64
    return state ^ (state >> 31)


def rank(key, seed):
    """A whole number of 64 bits that belongs to a key under the seed."""
    state = 0xCBF29CE484222325
    for byte in key.encode():
        state = ((state ^ byte) * 0x100000001B3) & U64
    return mix(state ^ mix(seed))


def pcg(value):
    value = np.asarray(value, dtype=np.uint32)
    state = value * np.uint32(747796405) + np.uint32(2891336453)
    word = ((state >> ((state >> np.uint32(28)) + np.uint32(4))) ^ state) * np.uint32(277803737)
    return (word >> np.uint32(22)) ^ word


def normal(key, shape):
    element = np.arange(np.prod(shape), dtype=np.uint32) * np.uint32(2)
    with np.errstate(over="ignore"):
        key = pcg(np.array([key]))[0]
        h, k = pcg(element + key), pcg(element + np.uint32(1) + key)
    u, v = ((h >> np.uint32(8)) + 1.0) / 2**24, (k >> np.uint32(8)) / 2.0**24
    return (np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)).reshape(shape)


def smoothgrad(_layer, label, _sign):
    deviation = 0.15 * (small.max() - small.min())
    keys = [rank(f"smoothgrad/{n}", SMOOTH_SEED) >> 40 for n in range(SAMPLES)]
    noisy = np.stack([small + deviation * normal(key, small.shape) for key in keys])
    return abs(gradients(noisy, label).mean(0)).max(-1)


BLACK = -np.ones(3)


def integrated_gradients(_layer, label, sign, base=BLACK):
    steps = [base + k / STEPS * (small - base) for k in range(1, STEPS + 1)]
    return sign * ((small - base) * gradients(np.stack(steps), label).mean(0)).sum(-1)


def gradientshap(_layer, label, sign, background=None):
    total = 0
    for n in range(SAMPLES):
        part = rank(f"gradientshap/part/{n}", SHAP_SEED) / 2**64
        base = BLACK
        if background is not None:
            base = background[rank(f"gradientshap/base/{n}", SHAP_SEED) % len(background)]
        gradient = gradients((base + part * (small - base))[None], label)[0]
        total = total + ((small - base) * gradient).sum(-1)
    return sign * total / SAMPLES


def occlusion(_layer, label, sign):
    cells = -(-SIZE // STRIDE)
    found = np.zeros((cells, cells))
    for i in range(cells):
        for j in range(cells):
            covered = image.copy()
            top, left = (cell * STRIDE + (STRIDE - PATCH) // 2 for cell in (i, j))
            covered[max(0, top) : top + PATCH, max(0, left) : left + PATCH] = 0
            found[i, j] = scores[label] - logits(covered[None])[0, label]
    return sign * found


METHODS = {
    "cam": cam,
    "gradcam": gradcam,
    "hirescam": hirescam,
    "gradcam++": gradcam_plus_plus,
    "xgradcam": xgradcam,
    "layercam": layercam,
    "scorecam": scorecam,
    "ablationcam": ablationcam,
    "eigencam": eigencam,
    "activation": activation_map,
    "saliency": saliency,
    "smoothgrad": smoothgrad,
    "integrated-gradients": integrated_gradients,
    "gradient-x-input": gradient_x_input,
    "guided-backprop": guided_backprop,
    "gradientshap": gradientshap,
    "occlusion": occlusion,
}
LAYERS = {
    "gradcam", "hirescam", "gradcam++", "xgradcam", "layercam", "eigencam", "activation",
}  # fmt: skip

# Up to this many numbers are all kept, in the first file; of larger maps some are, in the second.
ALL, SOME = 192, 96
paths = [Path(__file__).with_name(name) for name in ("cams.json", "cams-large.json")]
asked = sys.argv[1:] or list(METHODS)
goldens = []
for path in paths:
    if path.exists():
        maps = json.loads(path.read_text())["maps"]
        goldens += [one for one in maps if one["method"] not in asked]


def keep(method, layers, label, sign, make, **more):
    if method not in asked:
        return
    BETAS.assign(WITH_DEAD if method in CHANNELWISE else ALIVE)
    values = make()
    if method in CHANNELWISE:
        more["dead"] = True
    if method in AVERAGED:
        more["small"] = True
    apart = {"method": method, "layers": layers, "class": label, "sign": sign, **more}
    print(apart, list(values.shape), f"{values.min():.4g} to {values.max():.4g}", flush=True)
    if not abs(values).max() > 0:
        print("    nothing there to compare with")
        return
    # 7919 does not divide the size of any map.
    flat = values.ravel()
    assert flat.size % 7919 != 0
    samples = flat if flat.size <= ALL else flat[np.arange(SOME) * 7919 % flat.size]
    goldens.append({
        **apart,
        "shape": list(values.shape),
        "largest": rounded(abs(flat).max())[0],
        "mean": rounded(flat.mean())[0],
        "samples": rounded(samples, 7),
    })


for method, function in METHODS.items():
    layers = [FEW] if method in CHANNELWISE else []
    for label, sign in ((TOP, 1), (LATER, 1), (LATER, -1)):
        keep(method, layers, label, sign, lambda: function((layers or [LAST])[0], label, sign))
for method in sorted(LAYERS):
    for sign in (1, -1):
        keep(method, [EARLY], LATER, sign, lambda: METHODS[method](EARLY, LATER, sign))
for sign in (1, -1):
    keep("ablationcam", [BYPASSED], TOP, sign, lambda: ablationcam(BYPASSED, TOP, sign))
several = [EARLY, MIDDLE, LAST]
for sign in (1, -1):
    keep("layercam", several, LATER, sign, lambda: layercam_of_several(several, LATER, sign))
keep("integrated-gradients", [], TOP, 1,
     lambda: integrated_gradients(None, TOP, 1, np.zeros(3)), baseline="zero")
background = np.stack([small_other, 0.5 * small_other])
keep("gradientshap", [], TOP, 1,
     lambda: gradientshap(None, TOP, 1, background), background=True)

for path, large in zip(paths, (False, True)):
    golden = {
        "keras": keras.__version__,
        "logits": rounded(scores),
        "small_logits": rounded(small_scores),
        "maps": [one for one in goldens if (np.prod(one["shape"]) > ALL) == large],
    }
    path.write_text(json.dumps(golden) + "\n")
