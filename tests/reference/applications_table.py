"""The table of docs/applications.md, of what `cargo test --test imported another -- --nocapture` prints.

    python tests/reference/applications_table.py < LOG
"""

import re
import sys

LINE = re.compile(r"(\w+)\.keras: logits (\S+) \((\S+)\), map (\S+) \((\S+)\) at (\S+), (\S+)")
# As docs/applications.md has them; the numbers behind a family's name count up.
FAMILIES = "Xception VGG ResNet Inception MobileNet DenseNet NASNet EfficientNetB EfficientNetV2 ConvNeXt".split()
SIZES = "S M L Tiny Small Base Large XLarge".split()
# How far from Keras in double precision is near: class scores, and maps.
LOGITS, MAPS = 1e-5, 1e-4


def place(row):
    name = row[0]
    family = next(number for number, family in enumerate(FAMILIES) if name.startswith(family))
    size = max((number for number, size in enumerate(SIZES) if name.endswith(size)), default=-1)
    return family, "V3" in name, "V2" in name, size, [int(number) for number in re.findall(r"\d+", name)], name


def shown(value):
    """A map of zeros on both sides has no distance."""
    return "empty" if float(value) == 0.0 else value


rows = sorted({match.groups() for match in LINE.finditer(sys.stdin.read())}, key=place)
if not rows:
    sys.exit("no line of a network in what was read; `scripts/applications` pipes the test's output here")
print("| network | input | logits | *Keras's own* | map | *Keras's own* | at |")
print("|---|--:|--:|--:|--:|--:|---|")
for name, logits, single, heat, single_heat, layer, size in rows:
    print(f"| {name} | {size} | {logits} | *{single}* | {shown(heat)} | *{shown(single_heat)}* | `{layer}` |")


def within(logits, heat):
    return sum(float(row[logits]) <= LOGITS and float(row[heat]) <= MAPS for row in rows)


def ratio(row):
    return float(row[1]) / float(row[2])


beyond = [row for row in rows if float(row[1]) > LOGITS]
furthest = max(rows, key=ratio)
print()
print(f"{len(rows)} networks; within {LOGITS:g} for logits and {MAPS:g} for the map: {within(1, 3)}, and of Keras in "
      f"single precision {within(2, 4)}.")
print(f"Furthest from double precision as a multiple of Keras's distance: {furthest[0]}, {ratio(furthest):.1f} at {furthest[1]}"
      + (f"; of those beyond {LOGITS:g}: {max(map(ratio, beyond)):.1f}." if beyond else "."))
