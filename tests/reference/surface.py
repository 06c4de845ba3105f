"""The numbers that tests/metrics.rs holds distances between borders to, of the picture and of every lesion in it: by
DeepMind's surface-distance 0.1, and lesions by SciPy's labels of 8 neighbours.

    pip install surface-distance==0.1 "numpy<2" "scipy<1.13"     # it uses names that later ones have dropped
    python tests/reference/surface.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
import surface_distance as sd
from scipy import ndimage
from seeded import uniform

SHARES = [50, 90, 95, 100]
TOLERANCES = [0, 1, 1.5, 2, 5]

# By hand: '#' is in.
DRAWN = {
    "both empty": ("...|...|...", "...|...|..."),
    "empty mask": (".....|.##..|.....", ".....|.....|....."),
    "empty truth": (".....|.....|.....", "..#..|.....|....."),
    "both full": ("####|####|####", "####|####|####"),
    "full mask": (".....|..#..|.....|.....", "#####|#####|#####|#####"),
    "at the borders": ("##....|##....|......|......", "......|......|....##|....##"),
    "all along the borders": ("#######|#.....#|#.....#|#######", "#######|#######|#.....#|#######"),
    "one pixel each": (".....|.#...|.....|.....", ".....|.....|.....|....#"),
    "one pixel of a picture": ("#", "#"),
    "one row": ("..###....#..", "...##......#"),
    "one column": (".|#|#|.|.|#|.", "#|#|.|.|.|.|#"),
    "thin lines": ("........|########|........|........|........", "....#...|....#...|....#...|....#...|....#..."),
    "diagonals": ("#.....|.#....|..#...|...#..|....#.|.....#", ".....#|....#.|...#..|..#...|.#....|#....."),
    "across a corner": (".....|.#...|..#..|.....", ".....|.##..|.##..|....."),
    "a hole": (".......|.#####.|.#...#.|.#...#.|.#####.|.......", ".......|.#####.|.#####.|.#####.|.#####.|......."),
    "many areas": ("#.#.#.#.#.|..........|#.#.#.#.#.|..........|#.#.#.#.#.",
                   "#.#.#.#...|..........|#.#...#.#.|.......#..|#.#.#.#.#."),
    "two lesions, one area": (".........|.##...##.|.##...##.|.........", ".........|.#######.|.........|........."),
    "two lesions, one missed": ("##.......|##.......|.........|......###|......###", "###......|#........|...#.....|.........|........."),
}

# Height, width, how smooth, the share that is in, and how far the mask is moved.
GROWN = [(24, 30, 2.0, 0.35, 2), (40, 33, 1.0, 0.3, 0), (31, 64, 4.0, 0.5, 5), (48, 48, 3.0, 0.2, 1), (17, 90, 0.0, 0.1, 0)]


def drawn(text):
    return np.array([[c == "#" for c in row] for row in text.split("|")])


def grown(number, height, width, smooth, share, moved):
    noise = [uniform(f"surface {number}/{what}", height * width).reshape(height, width) for what in ("truth", "mask")]
    truth, other = [ndimage.gaussian_filter(one, smooth) if smooth else one for one in noise]
    mixed = np.roll(truth, moved, axis=1) / truth.std() + 0.5 * other / other.std()
    return [one > np.quantile(one, 1 - share) for one in (truth, mixed)]


def number(value):
    """What is not finite does not exist."""
    return round(float(value), 12) if np.isfinite(value) else None


def surface(truth, mask):
    found = sd.compute_surface_distances(truth, mask, (1.0, 1.0))
    to_mask, to_truth = sd.compute_average_surface_distance(found)
    lengths = np.concatenate([found["surfel_areas_gt"], found["surfel_areas_pred"]])
    distances = np.concatenate([found["distances_gt_to_pred"], found["distances_pred_to_gt"]])
    return {
        "hausdorff": [number(sd.compute_robust_hausdorff(found, share)) for share in SHARES],
        "averages": [number(to_mask), number(to_truth)],
        "average": number((lengths * distances).sum() / lengths.sum()),
        "dice": [number(sd.compute_surface_dice_at_tolerance(found, one)) for one in TOLERANCES],
    }


def lesions(truth, mask):
    near = np.ones((3, 3))
    own, count = ndimage.label(truth, near)
    areas, of_mask = ndimage.label(mask, near)
    found = []
    for lesion in range(1, count + 1):
        is_own = own == lesion
        touching = np.unique(areas[is_own & mask])
        is_met = np.isin(areas, touching) & mask
        both = (is_own & is_met).sum()
        found.append({
            "pixels": int(is_own.sum()), "coverage": number(both / is_own.sum()),
            "overlap": number(2 * both / (is_own.sum() + is_met.sum())), **surface(is_own, is_met),
        })
    met = np.unique(areas[truth & mask])
    # As they are listed: the largest first, of equals the first by rows.
    found = sorted(found, key=lambda one: -one["pixels"])[:32]
    return {"lesion_count": count, "false_areas": of_mask - len(met), "lesions": found}


def case(name, truth, mask):
    rows = lambda mask: ["".join(".#"[int(one)] for one in row) for row in mask]
    return {"name": name, "truth": rows(truth), "mask": rows(mask), **surface(truth, mask), **lesions(truth, mask)}


warnings.simplefilter("ignore")
cases = [case(name, drawn(truth), drawn(mask)) for name, (truth, mask) in DRAWN.items()]
cases += [case(f"grown {number}", *grown(number, *shape)) for number, shape in enumerate(GROWN)]
# A case a line.
lines = ",\n".join(json.dumps(one) for one in cases)
text = f'{{"shares": {SHARES}, "tolerances": {TOLERANCES}, "cases": [\n{lines}\n]}}\n'
Path(__file__).with_name("surface.json").write_text(text)
