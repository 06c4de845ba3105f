"""What the heatmaps of a run have in common, and what that is worth (docs/paper.md).

    python mean_map.py OUT MODEL SEED

Needs numpy and Pillow. Independent of parula: it reads the pictures in OUT/heatmaps/MODEL/SEED. Heatmaps are brought to 32x32. Their mean is
divided by its maximum and laid over every ROI as if it were its heatmap.
"""

import json
import pathlib
import sys

import numpy as np
from PIL import Image

SIDE = 32


def mean_dice(mask, heatmap):
    """The mean over t = 0..255 of the Dice of `mask` and `heatmap` > t."""
    inside = np.bincount(heatmap[mask > 127], minlength=256)
    everywhere = np.bincount(heatmap.ravel(), minlength=256)
    # Pixels above t: those of all higher levels.
    hit, marked = (np.append(counts[::-1].cumsum()[::-1][1:], 0) for counts in (inside, everywhere))
    return float(np.mean(2 * hit / (marked + inside.sum())))


def resized(picture, width, height):
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.BILINEAR))


def main(out, model, seed):
    folder = pathlib.Path(out) / "heatmaps" / model / seed
    files = sorted(folder.glob("*.heatmap.png"))
    read = lambda path: np.asarray(Image.open(path))
    heatmaps = [read(path) for path in files]
    masks = [read(path.with_name(path.name.replace(".heatmap.", ".mask."))) for path in files]
    small = np.stack([resized(one, SIDE, SIDE).astype(float).ravel() for one in heatmaps])
    shared = small.mean(axis=0).reshape(SIDE, SIDE)
    shared = np.rint(255 * shared / shared.max()).astype(np.uint8)
    # A map that is the same everywhere is like no other.
    varied = small[small.std(axis=1) > 0]
    pairs = np.corrcoef(varied)[np.triu_indices(len(varied), 1)]
    print(json.dumps({
        "rois": len(files),
        "own": float(np.mean([mean_dice(*pair) for pair in zip(masks, heatmaps)])),
        "constant": float(np.mean([mean_dice(mask, resized(shared, *mask.shape[::-1])) for mask in masks])),
        "correlation": float(pairs.mean()),
    }))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
