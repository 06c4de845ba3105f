// Of all components of several masks of an image, the one that is most like an object.
//
//   clear    facts = nothing seen yet
//   gather   facts of a component: pixels; sums of map and of d; last row; first and last column
//   rate     rating = score + 64, cut off to 0..128, in 65536ths, + 1; 0 for the too small or large
//   choose   winner = the smallest label of the best rating
//   show     y[n, p] = 1 where p is in the winner, else 0
//
//   score = map * mean of map + dark * min(mean of d, 1.5) - border * sides of the image touched
//         + size * ln(share / usual) + round * min(pixels / (pi / 4 * box), 1)
// share: pixels over those of the image; box: rows times columns of the bounding box.
//
// labels: (N, L, H, W), from components.wgsl, where a label is the number of the component's first pixel.
// map, d: (N, H, W, 1), counted in whole numbers: map, cut off to 0..1, in 4096ths; d, to -4..4, in 512ths
// above -4. facts: (N, L, H, W, 6), scratch, of roots. rating: (N, L, H, W). best, winner: an image's at n L.

#import "shared/grid.wgsl"

struct Params {
    images: u32,   // N
    masks: u32,    // L
    height: u32,
    width: u32,
    map_weight: f32,
    dark_weight: f32,
    border_weight: f32,
    size_weight: f32,
    round_weight: f32,
    usual: f32,    // a share
    least: f32,    // pixels
    most: f32,     // pixels
    map_offset: u32,
    map_stride: u32,
    d_offset: u32,
    d_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

const NONE: u32 = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> map: array<f32>;
@group(0) @binding(2) var<storage, read> d: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(4) var<storage, read_write> facts: array<atomic<u32>>;
@group(0) @binding(4) var<storage, read> known: array<u32>;
@group(0) @binding(5) var<storage, read_write> rating: array<u32>;
@group(0) @binding(5) var<storage, read> ratings: array<u32>;
@group(0) @binding(6) var<storage, read_write> best: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read> bests: array<u32>;
@group(0) @binding(7) var<storage, read_write> winner: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read> winners: array<u32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;

fn total() -> u32 {
    return params.images * params.masks * params.height * params.width;
}

// Where the best and the winner of the image of a labelled pixel stand.
fn slot(index: u32) -> u32 {
    return index / (params.height * params.width) / params.masks * params.masks;
}

@compute @workgroup_size(256)
fn clear(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    // Only roots are ever looked at.
    if index >= total() || labels[index] != index {
        return;
    }
    for (var fact = 0u; fact < 6u; fact += 1u) {
        atomicStore(&facts[6u * index + fact], select(0u, NONE, fact == 4u));
    }
}

@compute @workgroup_size(256)
fn gather(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if index >= total() || labels[index] == NONE {
        return;
    }
    let area = params.height * params.width;
    let pixel = index / area / params.masks * area + index % area;
    let shown = clamp(map[params.map_offset + pixel * params.map_stride], 0.0, 1.0);
    let dark = clamp(d[params.d_offset + pixel * params.d_stride], -4.0, 4.0);
    let at = 6u * labels[index];
    atomicAdd(&facts[at], 1u);
    atomicAdd(&facts[at + 1u], u32(shown * 4096.0));
    atomicAdd(&facts[at + 2u], u32((dark + 4.0) * 512.0));
    atomicMax(&facts[at + 3u], index / params.width % params.height);
    atomicMin(&facts[at + 4u], index % params.width);
    atomicMax(&facts[at + 5u], index % params.width);
}

@compute @workgroup_size(256)
fn rate(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if index >= total() || labels[index] != index {
        return;
    }
    let at = 6u * index;
    let pixels = f32(known[at]);
    var own = 0u;
    if pixels >= params.least && pixels <= params.most {
        let top = index / params.width % params.height;
        let bottom = known[at + 3u];
        let left = known[at + 4u];
        let right = known[at + 5u];
        let sides = select(0.0, 1.0, top == 0u)
            + select(0.0, 1.0, bottom + 1u == params.height)
            + select(0.0, 1.0, left == 0u)
            + select(0.0, 1.0, right + 1u == params.width);
        let rectangle = f32((bottom - top + 1u) * (right - left + 1u));
        let share = pixels / f32(params.height * params.width);
        let score = params.map_weight * f32(known[at + 1u]) / (4096.0 * pixels)
            + params.dark_weight * min(f32(known[at + 2u]) / (512.0 * pixels) - 4.0, 1.5)
            - params.border_weight * sides
            + params.size_weight * log(share / params.usual)
            + params.round_weight * min(pixels / (0.7853982 * rectangle), 1.0);
        own = 1u + u32(clamp((score + 64.0) * 65536.0, 0.0, 8388607.0));
        atomicMax(&best[slot(index)], own);
    }
    rating[index] = own;
}

@compute @workgroup_size(256)
fn choose(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if index >= total() || labels[index] != index {
        return;
    }
    let own = ratings[index];
    if own > 0u && own == bests[slot(index)] {
        atomicMin(&winner[slot(index)], index);
    }
}

@compute @workgroup_size(256)
fn show(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    let area = params.height * params.width;
    if pixel >= params.images * area {
        return;
    }
    let won = winners[pixel / area * params.masks];
    var inside = false;
    if won != NONE {
        inside = labels[won / area * area + pixel % area] == won;
    }
    y[params.y_offset + pixel * params.y_stride] = select(0.0, 1.0, inside);
}
