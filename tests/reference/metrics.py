"""The numbers that tests/metrics.rs holds the metrics to: average precision, IoU and Dice by
scikit-learn, areas by its `auc`, energy by NumPy, Otsu by a search over all cuts, and ROAD's linear
imputation as a dense system that is solved directly.

    python tests/reference/metrics.py     # needs numpy and scikit-learn
"""

import json
from pathlib import Path

import numpy as np
from seeded import uniform
from sklearn.metrics import auc, average_precision_score, f1_score, jaccard_score

# Height, width, how many levels the heatmap has, and the share of the mask.
CASES = [(9, 12, 256, 0.4), (9, 12, 5, 0.4), (16, 16, 2, 0.1), (7, 30, 40, 0.8), (12, 9, 1, 0.3)]


def otsu(levels):
    """The first cut t with the least variance within both sides."""
    def within(t):
        sides = [levels[levels <= t], levels[levels > t]]
        return sum(((side - side.mean()) ** 2).sum() for side in sides if len(side))

    costs = np.array([within(t) for t in range(256)])
    return int(np.argmax(costs <= costs.min() + 1e-7))


def imputed(image, taken):
    """Every pixel that was taken is the weighted mean of its neighbours in the image."""
    height, width = image.shape
    matrix, right = np.eye(height * width), image.ravel().copy()
    for pixel in taken:
        y, x = divmod(pixel, width)
        near = [(y + dy, x + dx, 1 / 6 if 0 in (dy, dx) else 1 / 12)
                for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)]
        near = [(v, u, w) for v, u, w in near if 0 <= v < height and 0 <= u < width]
        total = sum(w for _, _, w in near)
        right[pixel] = 0
        for v, u, w in near:
            matrix[pixel, v * width + u] = -w / total
    return np.linalg.solve(matrix, right)


def case(number, height, width, count, share):
    pixels = height * width
    chance = lambda what: (uniform(f"{number}/{what}", pixels) + 1) / 2
    mask = chance("mask") < share
    # Higher in the mask, in `count` steps from 0 to 255.
    heat = np.clip(0.6 * chance("heat") + 0.4 * mask, 0, 0.999999)
    levels = np.floor(heat * count) * (255 // max(count - 1, 1))
    image = np.floor(chance("image") * 256)
    taken = np.flatnonzero(chance("taken") < 0.7)
    curve = chance("curve")[:11]
    cuts = [0, 60, 200]
    return {
        "height": height, "width": width, "levels": count, "share": share,
        "average_precision": average_precision_score(mask, levels),
        "energy": float((levels * mask).sum() / max(levels.sum(), 1e-30)),
        "otsu": otsu(levels),
        "cuts": cuts,
        "dice": [f1_score(mask, levels > t, zero_division=0) for t in cuts],
        "iou": [jaccard_score(mask, levels > t, zero_division=0) for t in cuts],
        "area": auc(np.linspace(0, 1, 11), curve),
        "imputed": [round(float(v), 6) for v in imputed(image.reshape(height, width), taken)[taken][::7]],
    }


cases = [case(number, *shape) for number, shape in enumerate(CASES)]
Path(__file__).with_name("metrics.json").write_text(json.dumps(cases, indent=1) + "\n")
