"""Weights and images that both sides of a comparison make for themselves: `tests/common/seeded.rs`
is the same in Rust, and says what the numbers are."""

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
U64 = (1 << 64) - 1


def uniform(name, count):
    """`count` numbers in [-1, 1), multiples of 2^-23: the top 24 bits of splitmix64 (Steele and
    others 2014), started at the FNV-1a hash of `name`."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) & U64
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(state)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1.0


def weight(name, shape, beta):
    """The variable `<layer>/<variable>` of `shape`, in single precision; `beta` is the middle of the
    numbers of that name."""
    u = uniform(name, int(np.prod(shape)))
    match name.rsplit("/", 1)[1]:
        case "gamma":
            values = 1.0 + 0.3 * u
        case "beta":
            values = beta + 0.3 * u
        case "moving_mean":
            values = 0.3 * u
        case "moving_variance":
            values = 1.0 + 0.5 * u
        case "bias":
            values = 0.1 * u
        case _:
            # A depthwise kernel (h, w, C, 1) sums over its taps alone. Between 3 and 6, where signals
            # would stay as large as they are with and without activations after each layer.
            depthwise = shape[-1] == 1
            fan_in = int(np.prod(shape[:-2] if depthwise else shape[:-1]))
            values = np.sqrt((3.0 if depthwise else 4.5) / fan_in) * u
    return values.astype(np.float32).reshape(shape)


def image(name, size):
    """Pixels (size, size, 3), whole numbers of 0 to 255: three parts in four a surface through
    random points 16 pixels apart, one part noise."""
    cells = size // 16 + 2
    points = uniform(f"{name}/points", cells * cells * 3).reshape(cells, cells, 3)
    noise = uniform(f"{name}/noise", size * size * 3).reshape(size, size, 3)
    at = np.arange(size)
    cell, part = at // 16, at % 16 / 16.0
    down, across = part[:, None, None], part[None, :, None]
    above, below = points[cell], points[cell + 1]
    rows = above + down * (below - above)
    left, right = rows[:, cell], rows[:, cell + 1]
    surface = left + across * (right - left)
    return np.floor((0.75 * surface + 0.25 * noise) * 127.5 + 127.5)


def fill(model, beta):
    """Writes every variable of a Keras model."""
    for layer in model.layers:
        for variable in layer.weights:
            variable.assign(weight(f"{layer.name}/{variable.name}", tuple(variable.shape), beta))


def sample(values, count):
    """`count` numbers spread over a flat array: element i * 7919 mod its length, which 7919, a prime,
    does not divide."""
    flat = np.asarray(values).ravel()
    assert flat.size % 7919 != 0
    return flat[np.arange(count) * 7919 % flat.size]
