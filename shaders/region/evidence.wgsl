// u = m (map - middle of map) + p (edge - r) + s d clamp((mid - image) / deviation, -2, 2) + bias
//
// what speaks for foreground in each pixel by itself, as log-odds. map, image, u: (N, H, W, 1).
// r is the distance from the centre of the image in half axes of an ellipse:
//   r^2 = ((y + 1/2) / H - 1/2)^2 / axis_y^2 + ((x + 1/2) / W - 1/2)^2 / axis_x^2
// mid: the mean of in and out, the means of the image where r < inner and where r > outer;
// middle: a number, or the mean of an image's map.
// s: the sign of out - in; deviation: of the whole image. Where one of the two has no pixel, or the
// image no deviation, the third term is 0.
//
// found: (N, 4), scratch: middle of map, mid, 1 / deviation, s, by `measure`, a workgroup an image.

#import "shared/grid.wgsl"

struct Params {
    images: u32,
    height: u32,
    width: u32,
    middle: f32,
    map_weight: f32,
    prior_weight: f32,
    dark_weight: f32,
    bias: f32,
    edge: f32,
    axis_y: f32,
    axis_x: f32,
    inner: f32,
    outer: f32,
    map_offset: u32,
    map_stride: u32,
    image_offset: u32,
    image_stride: u32,
    u_offset: u32,
    u_stride: u32,
}

// Whether the middle is each map's mean.
override OWN_MEAN: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> map: array<f32>;
@group(0) @binding(2) var<storage, read> image: array<f32>;
@group(0) @binding(3) var<storage, read_write> found: array<f32>;
@group(0) @binding(3) var<storage, read> means: array<f32>;
@group(0) @binding(4) var<storage, read_write> u: array<f32>;

// Sums of one invocation: of map and image; then inside, pixels and sum; then outside.
var<workgroup> all: array<vec2<f32>, 64>;
var<workgroup> sides: array<vec4<f32>, 64>;

// r of pixel `own` of an image.
fn radius(own: u32) -> f32 {
    let y = (f32(own / params.width) + 0.5) / f32(params.height) - 0.5;
    let x = (f32(own % params.width) + 0.5) / f32(params.width) - 0.5;
    return length(vec2(y / params.axis_y, x / params.axis_x));
}

fn gather(invocation: u32) {
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if invocation < half {
            all[invocation] += all[invocation + half];
            sides[invocation] += sides[invocation + half];
        }
        workgroupBarrier();
    }
}

@compute @workgroup_size(64)
fn measure(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let number = number_of(grid.workgroup, grid.workgroups);
    if number >= params.images {
        return;
    }
    let area = params.height * params.width;
    let first = number * area;
    var own = vec2(0.0);
    var side = vec4(0.0);
    for (var pixel = invocation; pixel < area; pixel += 64u) {
        let grey = image[params.image_offset + (first + pixel) * params.image_stride];
        own += vec2(map[params.map_offset + (first + pixel) * params.map_stride], grey);
        let r = radius(pixel);
        if r < params.inner {
            side += vec4(1.0, grey, 0.0, 0.0);
        }
        if r > params.outer {
            side += vec4(0.0, 0.0, 1.0, grey);
        }
    }
    all[invocation] = own;
    sides[invocation] = side;
    gather(invocation);
    let means = all[0] / f32(area);
    let total = sides[0];
    workgroupBarrier();
    var squares = 0.0;
    for (var pixel = invocation; pixel < area; pixel += 64u) {
        let apart =
            image[params.image_offset + (first + pixel) * params.image_stride] - means.y;
        squares += apart * apart;
    }
    all[invocation] = vec2(squares, 0.0);
    gather(invocation);
    if invocation > 0u {
        return;
    }
    let deviation = sqrt(all[0].x / f32(area));
    let inside = total.y / max(total.x, 1.0);
    let outside = total.w / max(total.z, 1.0);
    var turn = sign(outside - inside);
    if total.x == 0.0 || total.z == 0.0 || deviation < 1e-3 {
        turn = 0.0;
    }
    found[4u * number] = select(params.middle, means.x, OWN_MEAN);
    found[4u * number + 1u] = 0.5 * (inside + outside);
    found[4u * number + 2u] = 1.0 / max(deviation, 1e-3);
    found[4u * number + 3u] = turn;
}

@compute @workgroup_size(64)
fn evidence(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let area = params.height * params.width;
    if pixel >= params.images * area {
        return;
    }
    let number = pixel / area;
    let apart = means[4u * number + 1u] - image[params.image_offset + pixel * params.image_stride];
    let dark = means[4u * number + 3u] * clamp(apart * means[4u * number + 2u], -2.0, 2.0);
    let shown = map[params.map_offset + pixel * params.map_stride] - means[4u * number];
    u[params.u_offset + pixel * params.u_stride] = params.map_weight * shown
        + params.prior_weight * (params.edge - radius(pixel % area))
        + params.dark_weight * dark
        + params.bias;
}
