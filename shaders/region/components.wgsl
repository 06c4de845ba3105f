// The connected components of what is marked in an image, and one kind of them kept.
//
//   starts   label[p] = the first pixel of the run of marked pixels that p is in, along its row
//   hook     parent[max(a, b)] = min(b, ...)  for the labels a, b of neighbours, a != b
//   settle   label[p] = the end of the chain of parents that begins at label[p]; where loops may not be
//            that long, as far along it as they may, by dispatch after dispatch
//   weigh    weight[label[p]] = the sum over its pixels
//   peak     best = the largest weight
//   choose   winner = the smallest label whose weight is the largest
//   keep     y[p] = 1 where p is in the component that won, or in any, else 0
//   border   weight[label[p]] = 1 for pixels p at the border
//   fill     y[p] = 1 where p was not marked, or its component does not reach the border, else 0
//
// x, y: (N, H, W, 1). label, parent, weight: (N, H, W), scratch; best, winner: (N). Labels are numbers
// of pixels. A label that is its own parent is a root; after `settle`, `label` holds roots only.
//
// In a round every root with a neighbour of a smaller root gets the smallest of those as its parent. One
// that lasts two rounds had no smaller neighbour in the first of them, nor had its neighbours one smaller
// than it, or it would have met that one in the second: so all of them took it as parent. Of the roots
// of a component two rounds leave half at most, and 2 log2 of their number is enough for any
// shape. `changed` (N, rounds) says which images a round changed; rounds after one that changed nothing
// are left at once. Minima, maxima and sums of whole numbers do not depend on the order, so neither
// does the result.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // N * H * W, or N * H (starts)
    height: u32,
    width: u32,
    round: u32,
    rounds: u32,
    threshold: f32,
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

// Whether pixels that share a corner only are neighbours.
override DIAGONAL: bool = false;
// Whether what is not above the threshold is marked, instead of what is.
override BELOW: bool = false;
// Whether components are weighed by the sum of x, in 4096ths, instead of by pixels.
override BY_SUM: bool = false;

// Whether all components are kept.
override ALL: bool = false;

// The links of a chain that one dispatch follows.
override MOST: u32 = 0xffffffffu;

const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> label: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> parent: array<atomic<u32>>;
@group(0) @binding(3) var<storage, read> parents: array<u32>;
@group(0) @binding(4) var<storage, read_write> changed: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read> changes: array<u32>;
@group(0) @binding(5) var<storage, read_write> weight: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read> weights: array<u32>;
@group(0) @binding(6) var<storage, read_write> best: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read> bests: array<u32>;
@group(0) @binding(7) var<storage, read_write> winner: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read> winners: array<u32>;

// One row of an image an invocation. Also clears what the other dispatches add to.
@compute @workgroup_size(64)
fn starts(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let line = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if line >= params.count {
        return;
    }
    if line % params.height == 0u {
        let image = line / params.height;
        atomicStore(&best[image], 0u);
        atomicStore(&winner[image], NONE);
        for (var round = 0u; round < params.rounds; round += 1u) {
            atomicStore(&changed[image * params.rounds + round], 0u);
        }
    }
    var first = NONE;
    for (var column = 0u; column < params.width; column += 1u) {
        let pixel = line * params.width + column;
        let above = x[params.x_offset + pixel * params.x_stride] > params.threshold;
        if above == BELOW {
            first = NONE;
        } else if first == NONE {
            first = pixel;
        }
        label[pixel] = first;
        atomicStore(&parent[pixel], pixel);
        atomicStore(&weight[pixel], 0u);
    }
}

fn join(a: u32, other: u32, flag: u32) {
    let b = labels[other];
    if b != NONE && b != a {
        atomicMin(&parent[max(a, b)], min(a, b));
        atomicStore(&changed[flag], 1u);
    }
}

// Pixels side by side share a label from the start: only the row below is left.
@compute @workgroup_size(256)
fn hook(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if pixel >= params.count {
        return;
    }
    let area = params.height * params.width;
    let flag = pixel / area * params.rounds + params.round;
    if params.round > 0u && atomicLoad(&changed[flag - 1u]) == 0u {
        return;
    }
    let a = labels[pixel];
    if a == NONE || pixel % area >= area - params.width {
        return;
    }
    let below = pixel + params.width;
    let column = pixel % params.width;
    join(a, below, flag);
    if DIAGONAL && column > 0u {
        join(a, below - 1u, flag);
    }
    if DIAGONAL && column + 1u < params.width {
        join(a, below + 1u, flag);
    }
}

@compute @workgroup_size(256)
fn settle(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if pixel >= params.count {
        return;
    }
    let image = pixel / (params.height * params.width);
    if changes[image * params.rounds + params.round] == 0u || label[pixel] == NONE {
        return;
    }
    var root = label[pixel];
    var next = parents[root];
    for (var step = 0u; step < MOST && next != root; step += 1u) {
        root = next;
        next = parents[root];
    }
    label[pixel] = root;
}

@compute @workgroup_size(256)
fn weigh(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if pixel >= params.count || labels[pixel] == NONE {
        return;
    }
    var own = 1u;
    if BY_SUM {
        own = u32(clamp(x[params.x_offset + pixel * params.x_stride], 0.0, 1.0) * 4096.0);
    }
    atomicAdd(&weight[labels[pixel]], own);
}

@compute @workgroup_size(256)
fn peak(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if pixel < params.count && labels[pixel] == pixel {
        atomicMax(&best[pixel / (params.height * params.width)], weights[pixel]);
    }
}

@compute @workgroup_size(256)
fn choose(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if pixel >= params.count || labels[pixel] != pixel {
        return;
    }
    let image = pixel / (params.height * params.width);
    if weights[pixel] == bests[image] {
        atomicMin(&winner[image], pixel);
    }
}

@compute @workgroup_size(256)
fn keep(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if pixel >= params.count {
        return;
    }
    let own = labels[pixel];
    let won = ALL || own == winners[pixel / (params.height * params.width)];
    let kept = own != NONE && won;
    y[params.y_offset + pixel * params.y_stride] = select(0.0, 1.0, kept);
}

@compute @workgroup_size(256)
fn border(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    let row = pixel / params.width % params.height;
    let column = pixel % params.width;
    let inside = row > 0u && row + 1u < params.height && column > 0u && column + 1u < params.width;
    if pixel < params.count && !inside && labels[pixel] != NONE {
        atomicStore(&weight[labels[pixel]], 1u);
    }
}

@compute @workgroup_size(256)
fn fill(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if pixel >= params.count {
        return;
    }
    let own = labels[pixel];
    var filled = own == NONE;
    if !filled {
        filled = weights[own] == 0u;
    }
    y[params.y_offset + pixel * params.y_stride] = select(0.0, 1.0, filled);
}
