"""Times parula and PyTorch on the same shapes, the same cores or the same GPU, in turns, and prints ratios.

`benches/peers/run` installs what this needs and calls it. See benches/peers/README.md.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time

# Before PyTorch and the driver start their threads.
cores = argparse.ArgumentParser(add_help=False)
cores.add_argument("--cores", default=",".join(map(str, sorted(os.sched_getaffinity(0)))))
CORES = sorted({int(core) for core in cores.parse_known_args()[0].cores.split(",")})
os.sched_setaffinity(0, CORES)
for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "LP_NUM_THREADS"]:
    os.environ[variable] = str(len(CORES))

import numpy  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from imported import NETWORKS, peer  # noqa: E402
from resnet50_v2 import ResNet50V2  # noqa: E402

# The middle flow of Xception, a stage of a ResNet, a layer that halves the image; then depthwise ones.
LAYERS = [
    "n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1",
    "n=8,h=28,w=28,cin=128,cout=128,k=3,s=1,g=1",
    "n=8,h=57,w=57,cin=64,cout=128,k=3,s=2,g=1",
]
DEPTHWISE = [
    "n=8,h=19,w=19,cin=728,cout=728,k=3,s=1,g=728",
    "n=8,h=48,w=48,cin=64,cout=64,k=3,s=1,g=64",
]
# The same for a GPU, which eight images do not fill.
GPU_LAYERS = [
    "n=32,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1",
    "n=32,h=56,w=56,cin=64,cout=256,k=1,s=1,g=1",
    "n=32,h=56,w=56,cin=64,cout=64,k=3,s=1,g=1",
    "n=32,h=28,w=28,cin=128,cout=128,k=3,s=1,g=1",
    "n=32,h=14,w=14,cin=256,cout=256,k=3,s=1,g=1",
    "n=32,h=57,w=57,cin=64,cout=128,k=3,s=2,g=1",
]
GPU_DEPTHWISE = [
    "n=32,h=19,w=19,cin=728,cout=728,k=3,s=1,g=728",
    "n=32,h=147,w=147,cin=128,cout=128,k=3,s=1,g=128",
]
ROIS, SIDE, LEVELS = 325, 299, 256
MODEL = "resnet50-v2"

DEVICE = "cpu"


def timed(run, seconds=0.5):
    """Median and minimum, in milliseconds, of as many runs as fit, three at least, after one to warm
    up, or ten on a GPU, whose clock rises under load and whose libraries try several kernels first."""
    for _ in range(10 if DEVICE == "cuda" else 1):
        run()
    once = timed_on_gpu if DEVICE == "cuda" else timed_by_clock
    times = []
    while len(times) < 3 or sum(times) < 1e3 * seconds and len(times) < 50:
        times.append(once(run))
    return statistics.median(times), min(times)


def timed_by_clock(run):
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


def timed_on_gpu(run):
    """By the GPU's own events, as parula's time is by its timestamps."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def own(timing):
    """The same of a row of parula's."""
    return timing["ms"], timing["ms_min"]


class Parula:
    """The program, and what it says of the adapter."""

    def __init__(self, path, adapter):
        self.command = [path] + (["--adapter", adapter] if adapter else [])
        self.reports = []

    def bench(self, *arguments):
        command = [*self.command, "bench", *arguments, "--quick", "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
        report = json.loads(done.stdout)
        self.reports.append(report)
        return report

    def kernels(self, operations, case):
        """The times of the variant that is used, for each operation."""
        report = self.bench(*operations, "--case", case, "--chosen")
        return {row["op"]: own(row) for row in report["results"]}


def convolution(case):
    """PyTorch's three operations on a case, in the memory layout that is faster."""
    size = {key: int(value) for key, value in (part.split("=") for part in case.split(","))}
    n, h, w, cin, cout, k, s, g = (size[key] for key in "n h w cin cout k s g".split())
    padding = []
    for length in (h, w):
        total = max((-(-length // s) - 1) * s + k - length, 0)
        if total % 2:
            sys.exit(f"{case}: PyTorch pads both sides alike, 'same' does not here")
        padding.append(total // 2)

    def runs(layout):
        x = torch.randn(n, cin, h, w, device=DEVICE).to(memory_format=layout)
        weights = torch.randn(cout, cin // g, k, k, device=DEVICE).to(memory_format=layout)
        y = F.conv2d(x, weights, None, s, padding, 1, g)
        dy = torch.randn_like(y).to(memory_format=layout)

        def backward(wanted):
            return lambda: torch.ops.aten.convolution_backward(
                dy, x, weights, None, [s, s], padding, [1, 1], False, [0, 0], g, wanted
            )

        return {
            "": lambda: F.conv2d(x, weights, None, s, padding, 1, g),
            "_input_gradient": backward([True, False, False]),
            "_weight_gradient": backward([False, True, False]),
        }

    layouts = [runs(torch.contiguous_format), runs(torch.channels_last)]
    fastest = {}
    for name in layouts[0]:
        fastest[name] = min((layout[name] for layout in layouts), key=lambda run: timed(run, 0.2))
    return fastest


def layers(parula, rounds):
    on_gpu = DEVICE == "cuda"
    dense, depthwise = (GPU_LAYERS, GPU_DEPTHWISE) if on_gpu else (LAYERS, DEPTHWISE)
    for stem, cases in [("conv2d", dense), ("depthwise_conv2d", depthwise)]:
        for case in cases:
            with torch.no_grad():
                peers = convolution(case)
                names = [stem + name for name in peers]
                turns = []
                for _ in range(rounds):
                    ours = parula.kernels(names, case)
                    peer = {stem + name: timed(run) for name, run in peers.items()}
                    turns.append((ours, peer))
            for name in names:
                pairs = [(ours[name], peer[name]) for ours, peer in turns]
                yield row(name, case, "PyTorch", pairs)


def model(parula, rounds):
    """Class scores, and a training step with Adam: forward, loss, gradients, update."""
    batch, size = (32, 224) if DEVICE == "cuda" else (4, 96)
    yield from whole(parula, rounds, MODEL, MODEL, ResNet50V2(), batch, size)


def imported(parula, rounds):
    """The same of networks that parula reads from Keras's files, and torchvision has."""
    folder = os.path.join("target", "peers", "models")
    os.makedirs(folder, exist_ok=True)
    script = os.path.join(os.path.dirname(__file__), "imported.py")
    subprocess.run([sys.executable, script, folder], check=True, stdout=subprocess.DEVNULL)
    batch, size = (32, 224) if DEVICE == "cuda" else (4, 224)
    for name in NETWORKS:
        file = os.path.join(folder, f"{name}.keras")
        yield from whole(parula, rounds, name, file, peer(name), batch, size)


def whole(parula, rounds, name, ours, network, batch, size):
    """`ours`, as `parula bench --model` takes it, beside a network of PyTorch's, in turns."""
    network = network.to(DEVICE, memory_format=torch.channels_last)
    images = torch.randn(batch, 3, size, size, device=DEVICE).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (batch,), device=DEVICE)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def forward():
        network.eval()
        with torch.inference_mode():
            network(images)

    def step():
        network.train()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()

    turns = {"forward": [], "training-step": []}
    for _ in range(rounds):
        sizes = ["--batch", str(batch), "--size", str(size)]
        report = parula.bench("--model", ours, *sizes, "--for", "forward,training-step")
        found = report["models"][0]
        turns["forward"].append((own(found["forward"]), timed(forward, 2)))
        turns["training-step"].append((own(found["training_step"]), timed(step, 2)))
    for phase, pairs in turns.items():
        yield row(phase, f"{name}, batch {batch}, {size}x{size}", "PyTorch", pairs)


def dice(parula, rounds, part):
    """Dice at 256 thresholds of 325 ROIs, against numpy: threshold by threshold on a part of the ROIs,
    scaled to all of them, and by histograms on all of them. parula's time is five times that of a fifth."""
    random = numpy.random.default_rng(0)
    heatmaps = random.integers(0, LEVELS, (ROIS, SIDE, SIDE), dtype=numpy.uint8)
    masks = random.integers(0, 2, (ROIS, SIDE, SIDE), dtype=numpy.uint8).astype(bool)

    def loop():
        for heatmap, mask in zip(heatmaps[:part], masks[:part]):
            size = mask.sum()
            for threshold in range(LEVELS):
                above = heatmap > threshold
                2 * (above & mask).sum() / max(above.sum() + size, 1)

    def histograms():
        for heatmap, mask in zip(heatmaps, masks):
            every = numpy.bincount(heatmap.ravel(), minlength=LEVELS)
            inside = numpy.bincount(heatmap[mask], minlength=LEVELS)
            above = every.sum() - every.cumsum()
            both = inside.sum() - inside.cumsum()
            2 * both / numpy.maximum(above + inside.sum(), 1)

    turns = {"numpy, a loop over thresholds": [], "numpy, histograms": []}
    for _ in range(rounds):
        results = parula.bench("dice_thresholds", "--chosen")["results"]
        # One dispatch addresses 2^24 elements: it takes five for all ROIs.
        fifth = next(one for one in results if one["case"].startswith(f"{ROIS // 5} of"))
        ours = tuple(5 * ms for ms in own(fifth))
        start = time.perf_counter()
        loop()
        scaled = 1e3 * (time.perf_counter() - start) * ROIS / part
        turns["numpy, a loop over thresholds"].append((ours, (scaled, scaled)))
        clock = [timed_by_clock(histograms) for _ in range(4)][1:]
        turns["numpy, histograms"].append((ours, (statistics.median(clock), min(clock))))
    for peer, pairs in turns.items():
        yield row("dice_thresholds", f"{ROIS} of {SIDE}x{SIDE}", peer, pairs)


def row(what, case, peer, pairs):
    """Medians over the rounds with the median of the ratio within a round, and the fastest of all."""
    ratios = sorted(ours[0] / other[0] for ours, other in pairs)
    fastest = [min(pair[side][1] for pair in pairs) for side in (0, 1)]
    found = {
        "what": what,
        "case": case,
        "peer": peer,
        "parula_ms": statistics.median(ours[0] for ours, _ in pairs),
        "peer_ms": statistics.median(other[0] for _, other in pairs),
        "ratio": statistics.median(ratios),
        "ratio_min": ratios[0],
        "ratio_max": ratios[-1],
        "parula_fastest_ms": fastest[0],
        "peer_fastest_ms": fastest[1],
        "ratio_of_fastest": fastest[0] / fastest[1],
    }
    shown = f"{found['parula_ms']:.2f} ms, {peer} {found['peer_ms']:.2f} ms"
    print(f"{what} {case}: {shown}, x{found['ratio']:.2f}", file=sys.stderr)
    return found


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def table(rows):
    lines = [
        "| what | case | parula ms | peer | peer ms | ratio | of the fastest |",
        "|---|---|--:|---|--:|--:|--:|",
    ]
    for one in rows:
        times = f"{one['parula_ms']:.2f} | {one['peer']} | {one['peer_ms']:.2f}"
        ratios = f"{one['ratio']:.2f} | {one['ratio_of_fastest']:.2f}"
        lines.append(f"| {one['what']} | {one['case']} | {times} | {ratios} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, parents=[cores])
    parser.add_argument("--parula", required=True, help="the program")
    parser.add_argument("--adapter", help="as parula's own option")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="PyTorch's; a GPU where it has one")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both")
    parser.add_argument("--part", type=int, default=5, help="ROIs of the numpy loop, scaled to 325")
    parser.add_argument("--only", choices=["layers", "model", "imported", "dice"], help="no more than these")
    parser.add_argument("--note", default="", help="what is to be known of the run")
    parser.add_argument("--out", help="write the result here, as JSON")
    options = parser.parse_args()
    if options.rounds < 1 or not 1 <= options.part <= ROIS:
        parser.error(f"--rounds must be 1 or more, --part from 1 to {ROIS}")
    global DEVICE
    DEVICE = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(len(CORES))
    torch.manual_seed(0)
    # 32 bits are to be 32 bits, and cuDNN is to choose its fastest kernels.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    parula = Parula(options.parula, options.adapter)
    load = os.getloadavg()[0]
    parts = {
        "layers": lambda: layers(parula, options.rounds),
        "model": lambda: model(parula, options.rounds),
        "imported": lambda: imported(parula, options.rounds),
        "dice": lambda: dice(parula, options.rounds, options.part),
    }
    rows = [one for name, part in parts.items() if options.only in (None, name) for one in part()]
    report = parula.reports[0]
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "adapter": report["adapter"],
        "driver": report["device"]["driver"],
        "parula_timer": report["timer"],
        "peer_device": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu",
        "peer_timer": "events of the GPU" if DEVICE == "cuda" else "host clock",
        "machine": {"processor": processor(), "cores": CORES, "load_before": load},
        "versions": {
            "parula": report["version"],
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version() if DEVICE == "cuda" else None,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        },
        "rounds": options.rounds,
        "dice_loop_rois": options.part,
        "note": options.note,
        "rows": rows,
    }
    print(f"{result['adapter']}; {result['machine']['processor']}, {len(CORES)} cores; {result['date']}")
    print(f"ratio: parula's time over the peer's, below 1 where parula is faster\n\n{table(rows)}")
    if options.out:
        with open(options.out, "w") as file:
            file.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
