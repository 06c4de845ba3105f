"""The numbers that tests/metrics.rs holds the similarity of maps to: SSIM by scikit-image, Spearman's rank
correlation and Sobel's edges by SciPy, and the Gini index as half the relative mean difference of all pairs.

    python tests/reference/trust.py     # needs numpy, scipy and scikit-image
"""

import json
from pathlib import Path

import numpy as np
from scipy.ndimage import sobel
from scipy.stats import spearmanr
from seeded import uniform
from skimage.metrics import structural_similarity

# Height, width, in how many steps the numbers come (ties), and how much of the first map the second one has.
CASES = [(11, 11, 1 << 20, 0.5), (12, 31, 7, 0.7), (24, 18, 3, 0.0), (40, 33, 200, -0.6), (16, 16, 2, 0.9)]


def ssim(a, b, span):
    return structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=span)


def case(number, height, width, steps, share):
    draw = lambda what: uniform(f"trust {number}/{what}", height * width).reshape(height, width)
    in_steps = lambda v: np.clip(np.round(v * steps) / steps, -1, 1)
    a = in_steps(draw("a"))
    b = in_steps(share * draw("a") + (1 - abs(share)) * draw("b"))
    sizes = np.abs(a).ravel()
    edges = np.hypot(sobel(a, 0, mode="nearest"), sobel(a, 1, mode="nearest"))
    return {
        "height": height, "width": width, "steps": steps, "share": share,
        "ssim": ssim(np.abs(a), np.abs(b), 1.0), "ssim_signed": ssim(a, b, 2.0),
        "rank": spearmanr(np.abs(a).ravel(), np.abs(b).ravel()).statistic,
        "rank_signed": spearmanr(a.ravel(), b.ravel()).statistic,
        "gini": np.abs(sizes[:, None] - sizes[None]).mean() / (2 * sizes.mean()),
        "edges": edges.ravel()[::37].tolist(),
    }


cases = [case(number, *shape) for number, shape in enumerate(CASES)]
Path(__file__).with_name("trust.json").write_text(json.dumps(cases, indent=1) + "\n")
