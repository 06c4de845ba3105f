"""The numbers that tests/metrics.rs holds `parula::lab::metrics::classifier` to, by scikit-learn.

    python tests/reference/classifier.py     # needs numpy and scikit-learn
"""

import json
from pathlib import Path

import numpy as np
from seeded import uniform
from sklearn.calibration import calibration_curve
from sklearn.metrics import (average_precision_score, balanced_accuracy_score, brier_score_loss, confusion_matrix,
                             roc_auc_score, roc_curve)

# Images, the share of the second class, and in how many steps probabilities come: few have ties.
CASES = [(80, 0.4, 1 << 20), (60, 0.2, 12), (33, 0.7, 4)]


def case(number, count, share, steps):
    chance = lambda what: (uniform(f"classifier {number}/{what}", count) + 1) / 2
    truth = (chance("truth") < share).astype(int)
    p = np.floor(np.clip(0.65 * chance("probability") + 0.35 * truth, 0, 0.999999) * steps) / steps
    said = (p > 0.5).astype(int)
    fpr, tpr, _ = roc_curve(truth, p, drop_intermediate=False)
    observed, mean = calibration_curve(truth, p, n_bins=10, strategy="uniform")
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], p)
    counts = np.bincount(bins, minlength=10)
    ece = float((np.abs(observed - mean) * counts[counts > 0]).sum() / count)
    three = np.stack([chance(f"class {k}") for k in range(3)], 1)
    three /= three.sum(1, keepdims=True)
    kinds = np.floor(chance("kind") * 3).astype(int)
    return {
        "images": count, "share": share, "steps": steps,
        "auc": roc_auc_score(truth, p), "average_precision": average_precision_score(truth, p),
        "balanced_accuracy": balanced_accuracy_score(truth, said), "brier": brier_score_loss(truth, p),
        "confusion": confusion_matrix(truth, said, labels=[0, 1]).tolist(), "calibration_error": ece,
        "false_positive_rate": fpr.tolist(), "sensitivity": tpr.tolist(),
        "three": {
            "confusion": confusion_matrix(kinds, three.argmax(1), labels=[0, 1, 2]).tolist(),
            "balanced_accuracy": balanced_accuracy_score(kinds, three.argmax(1)),
            "auc": [roc_auc_score(kinds == k, three[:, k]) for k in range(3)],
        },
    }


cases = [case(number, *one) for number, one in enumerate(CASES)]
Path(__file__).with_name("classifier.json").write_text(json.dumps(cases) + "\n")
