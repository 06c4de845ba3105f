"""The probabilities that tests/metrics.rs holds the rank test of the bench to: SciPy's, of samples as timings are,
some of them with ties.

    python tests/reference/rank_test.py     # needs numpy and scipy
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu
from seeded import uniform

# Sizes of both samples, how far apart they are, and to how many places values are rounded: few make ties.
CASES = [(3, 3, 0.0, 9), (5, 8, 0.5, 9), (12, 12, 0.2, 9), (12, 12, 2.5, 9), (11, 30, 0.3, 9), (40, 40, 0.4, 9),
         (41, 12, 0.4, 9), (60, 75, 0.2, 9), (60, 75, 0.0, 9), (12, 12, 0.4, 1), (9, 30, 0.2, 0), (50, 50, 0.6, 1)]


def case(number, n, m, apart, places):
    first = [round(float(v), places) for v in uniform(f"{number}/first", n)]
    second = [round(float(v) + apart, places) for v in uniform(f"{number}/second", m)]
    tied = len(set(first + second)) < n + m
    exact = not tied and max(n, m) <= 40
    found = mannwhitneyu(first, second, alternative="two-sided", method="exact" if exact else "asymptotic")
    return {"first": first, "second": second, "exact": exact, "tied": tied, "p": float(found.pvalue)}


cases = [case(number, *shape) for number, shape in enumerate(CASES)]
assert {(one["exact"], one["tied"]) for one in cases} == {(True, False), (False, False), (False, True)}
Path(__file__).with_name("rank_test.json").write_text(json.dumps(cases, indent=None).replace("}, {", "},\n{") + "\n")
