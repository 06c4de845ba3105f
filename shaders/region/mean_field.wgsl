// y[i] = 1 / (1 + exp(-(u[i] + a A[i] + b B[i])))        one mean-field step of a binary dense CRF
//
//   A[i] = sum_(j != i) k(i, j) (2 q[j] - 1) / sum_j k(i, j)      appearance
//   k(i, j) = exp(-d^2 / (2 alpha^2) - (image[i] - image[j])^2 / (2 beta^2))
//   B[i] = the same with g(i, j) = exp(-d^2 / (2 gamma^2))        smoothness
//
// (Kraehenbuehl and Koltun 2011). d is the distance of two pixels; j runs over the pixels of the image
// whose row and column are t * dilation away, |t| <= radius, i itself among them (windows as in Teichmann
// and Cipolla 2018).
//
// u, q, image, y: (N, H, W, 1). rows: (N, H, W), scratch: the sum over a row of g (2 q - 1).
//
// g is the product of a factor for rows and one for columns: `along` sums over rows first, then the
// step over columns. `step` versions: `_naive`, one pixel an invocation; `_fours`, four pixels of one
// row and one remainder modulo dilation, which share most of their neighbours: what is read serves four.

#import "shared/grid.wgsl"

struct Params {
    count: u32,    // invocations
    height: u32,
    width: u32,
    radius: u32,
    dilation: u32,
    blocks: u32,   // fours of pixels in a row, of each remainder modulo dilation
    near: f32,     // -log2(e) / (2 alpha^2)
    alike: f32,    // -log2(e) / (2 beta^2)
    smooth_near: f32,   // -log2(e) / (2 gamma^2)
    appearance: f32,   // a
    smoothness: f32,   // b
    u_offset: u32,
    u_stride: u32,
    q_offset: u32,
    q_stride: u32,
    image_offset: u32,
    image_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

// Whether b is not 0.
override SMOOTH: bool = true;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> u: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<f32>;
@group(0) @binding(3) var<storage, read> image: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<storage, read> rows: array<f32>;

// 2 q - 1 of a pixel.
fn side(pixel: u32) -> f32 {
    return 2.0 * q[params.q_offset + pixel * params.q_stride] - 1.0;
}

fn grey(pixel: u32) -> f32 {
    return image[params.image_offset + pixel * params.image_stride];
}

// How many steps of `dilation` stay within the window and within `size`, before and after `at`.
fn reach(at: u32, size: u32) -> vec2<u32> {
    return min(vec2(at, size - 1u - at) / params.dilation, vec2(params.radius));
}

// The smoothness kernel of one axis, `steps` away.
fn fall(steps: f32) -> f32 {
    let apart = steps * f32(params.dilation);
    return exp2(params.smooth_near * apart * apart);
}

// Its sum over the neighbours along one axis.
fn total(reach: vec2<u32>) -> f32 {
    var sum = 0.0;
    for (var t = 0u; t <= reach.x + reach.y; t += 1u) {
        sum += fall(f32(t) - f32(reach.x));
    }
    return sum;
}

@compute @workgroup_size(64)
fn along(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.count {
        return;
    }
    let reach = reach(pixel % params.width, params.width);
    let first = pixel - reach.x * params.dilation;
    var sum = 0.0;
    for (var t = 0u; t <= reach.x + reach.y; t += 1u) {
        sum += fall(f32(t) - f32(reach.x)) * side(first + t * params.dilation);
    }
    sums[pixel] = sum;
}

// a A + b B + u of a pixel, as a probability.
fn settle(pixel: u32, appearance: f32, row: u32, own: f32) -> f32 {
    var odds = u[params.u_offset + pixel * params.u_stride] + params.appearance * appearance;
    if SMOOTH {
        let column = pixel % params.width;
        let reach_y = reach(row, params.height);
        let first = pixel - reach_y.x * params.dilation * params.width;
        var sum = 0.0;
        var down = 0.0;
        for (var t = 0u; t <= reach_y.x + reach_y.y; t += 1u) {
            let weight = fall(f32(t) - f32(reach_y.x));
            sum += weight * rows[first + t * params.dilation * params.width];
            down += weight;
        }
        odds += params.smoothness * (sum - own) / (down * total(reach(column, params.width)));
    }
    return 1.0 / (1.0 + exp(-odds));
}

@compute @workgroup_size(64)
fn step_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if pixel >= params.count {
        return;
    }
    let row = pixel / params.width % params.height;
    let reach_y = reach(row, params.height);
    let reach_x = reach(pixel % params.width, params.width);
    let corner = pixel - (reach_y.x * params.width + reach_x.x) * params.dilation;
    let here = grey(pixel);
    let own = side(pixel);
    let scale = f32(params.dilation);
    var sum = 0.0;
    var weights = 0.0;
    for (var i = 0u; i <= reach_y.x + reach_y.y; i += 1u) {
        let dy = (f32(i) - f32(reach_y.x)) * scale;
        for (var j = 0u; j <= reach_x.x + reach_x.y; j += 1u) {
            let dx = (f32(j) - f32(reach_x.x)) * scale;
            let other = corner + (i * params.width + j) * params.dilation;
            let apart = grey(other) - here;
            let weight = exp2(params.near * (dy * dy + dx * dx) + params.alike * apart * apart);
            sum += weight * side(other);
            weights += weight;
        }
    }
    // Its own weight is 1.
    y[params.y_offset + pixel * params.y_stride] = settle(pixel, (sum - own) / weights, row, own);
}

@compute @workgroup_size(64)
fn step_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    // Uniforms are read before the first branch: inside of one they cost a software driver more.
    let width = params.width;
    let radius = params.radius;
    let dilation = params.dilation;
    let near = params.near;
    let alike = params.alike;
    let image_offset = params.image_offset;
    let image_stride = params.image_stride;
    let q_offset = params.q_offset;
    let q_stride = params.q_stride;
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let line = index / (params.blocks * dilation);
    let rest = index % (params.blocks * dilation) / params.blocks;
    // In steps of dilation from column `rest`.
    let at = 4u * (index % params.blocks);
    let row = line % params.height;
    let reach_y = reach(row, params.height);
    if index >= params.count || rest + at * dilation >= width {
        return;
    }
    let most = (width - 1u - rest) / dilation;
    let columns = min(vec4(at, at + 1u, at + 2u, at + 3u), vec4(most));
    let left = max(at, radius) - radius;
    let right = min(at + 3u + radius, most);
    let start = line * width + rest;
    let own = start + columns * dilation;
    let here = vec4(grey(own.x), grey(own.y), grey(own.z), grey(own.w));
    let sides = vec4(side(own.x), side(own.y), side(own.z), side(own.w));
    let scale = f32(dilation);
    let centre = vec4<f32>(columns);
    let far = vec4(f32(radius));
    var sum = vec4(0.0);
    var weights = vec4(0.0);
    for (var i = 0u; i <= reach_y.x + reach_y.y; i += 1u) {
        let dy = (f32(i) - f32(reach_y.x)) * scale;
        let far_y = near * dy * dy;
        let first = start + i * dilation * width - reach_y.x * dilation * width;
        for (var j = left; j <= right; j += 1u) {
            let other = first + j * dilation;
            let steps = abs(vec4(f32(j)) - centre);
            let dx = steps * scale;
            let apart = vec4(image[image_offset + other * image_stride]) - here;
            let power = vec4(far_y) + near * dx * dx + alike * apart * apart;
            let weight = select(vec4(0.0), exp2(power), steps <= far);
            sum += weight * (2.0 * q[q_offset + other * q_stride] - 1.0);
            weights += weight;
        }
    }
    let appearance = (sum - sides) / weights;
    for (var k = 0u; k < 4u; k += 1u) {
        if at + k <= most {
            y[params.y_offset + own[k] * params.y_stride] =
                settle(own[k], appearance[k], row, sides[k]);
        }
    }
}
