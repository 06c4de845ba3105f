// What a group of numbers is of its own: freed of mean and deviation, of unit length, or a softmax.
//
//   moments   y = (x - mean) / sqrt(variance + epsilon)
//   length    y = x / sqrt(max(sum of x * x, epsilon))
//   softmax   y = exp(x - max) / sum of exp(x - max)
//
// and their gradients, with r the factor of x and all sums over the group:
//
//   moments   dx = r * (dy - mean(dy) - y * mean(dy * y))
//   length    dx = r * (dy - y * sum(dy * y)), and r * dy where epsilon was larger
//   softmax   dx = y * (dy - sum(dy * y))
//
// x, dy, y: (rows, channels), each with its own offset and distance of rows. A group is `width`
// channels of `pixels` rows: all channels of one row for a layer's normalisation, some channels of
// all rows of an image for a group's.
//
// Versions: `naive`, an invocation a group; `rows`, the same four channels at a time, for moments and
// lengths of rows whose groups start and end on multiples of four; `group`, a workgroup of 64 a group.

#import "shared/grid.wgsl"

struct Params {
    count: u32,  // groups in all
    groups: u32, // groups side by side in a row
    pixels: u32,
    width: u32,
    epsilon: f32,
    x_offset: u32,
    x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

// 0 moments, 1 length, 2 softmax.
override KIND: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y4: array<vec4<f32>>;

var<workgroup> sums: array<f32, 64>;

// Where element `i` of group `index` stands in a tensor.
fn place(index: u32, i: u32, offset: u32, stride: u32) -> u32 {
    let row = index / params.groups * params.pixels + i / params.width;
    return offset + row * stride + index % params.groups * params.width + i % params.width;
}

fn x_of(index: u32, i: u32) -> f32 {
    return x[place(index, i, params.x_offset, params.x_stride)];
}

fn dy_of(index: u32, i: u32) -> f32 {
    return dy[place(index, i, params.dy_offset, params.dy_stride)];
}

// One number of a first pass over a group: a sum, and for softmax a maximum.
fn first_pass(index: u32, start: u32, step: u32) -> f32 {
    let total = params.pixels * params.width;
    var a = select(0.0, -3.4e38, KIND == 2u);
    for (var i = start; i < total; i += step) {
        let v = x_of(index, i);
        if KIND == 0u {
            a += v;
        } else if KIND == 1u {
            a += v * v;
        } else {
            a = max(a, v);
        }
    }
    return a;
}

// Of a second pass, for which that of the first is known: the variance's sum, or that of the powers.
fn second_pass(index: u32, start: u32, step: u32, known: f32) -> f32 {
    let total = params.pixels * params.width;
    var a = 0.0;
    for (var i = start; i < total; i += step) {
        let v = x_of(index, i) - known;
        if KIND == 0u {
            a += v * v;
        } else {
            a += exp(v);
        }
    }
    return a;
}

// What y is of x: y = (x - shift) * factor, and for softmax exp(x - shift) * factor.
struct Law {
    shift: f32,
    factor: f32,
    free: bool, // whether the factor depends on x
}

fn law(known: f32, second: f32) -> Law {
    let total = f32(params.pixels * params.width);
    if KIND == 0u {
        return Law(known, 1.0 / sqrt(second / total + params.epsilon), true);
    }
    if KIND == 1u {
        return Law(0.0, 1.0 / sqrt(max(known, params.epsilon)), known > params.epsilon);
    }
    return Law(known, 1.0 / second, true);
}

fn value(l: Law, v: f32) -> f32 {
    if KIND == 2u {
        return exp(v - l.shift) * l.factor;
    }
    return (v - l.shift) * l.factor;
}

fn mean_of(first: f32) -> f32 {
    return select(first, first / f32(params.pixels * params.width), KIND == 0u);
}

fn write(index: u32, start: u32, step: u32, l: Law) {
    let total = params.pixels * params.width;
    for (var i = start; i < total; i += step) {
        y[place(index, i, params.y_offset, params.y_stride)] = value(l, x_of(index, i));
    }
}

// Sums of dy and of dy * y.
fn gradient_sums(index: u32, start: u32, step: u32, l: Law) -> vec2<f32> {
    let total = params.pixels * params.width;
    var a = vec2(0.0);
    for (var i = start; i < total; i += step) {
        let d = dy_of(index, i);
        a += vec2(d, d * value(l, x_of(index, i)));
    }
    return a;
}

fn write_gradient(index: u32, start: u32, step: u32, l: Law, s: vec2<f32>) {
    let total = params.pixels * params.width;
    for (var i = start; i < total; i += step) {
        let v = value(l, x_of(index, i));
        let d = dy_of(index, i);
        var dx = 0.0;
        if KIND == 0u {
            dx = l.factor * (d - s.x / f32(total) - v * s.y / f32(total));
        } else if KIND == 1u {
            dx = l.factor * (d - select(0.0, v * s.y, l.free));
        } else {
            dx = v * (d - s.y);
        }
        y[place(index, i, params.y_offset, params.y_stride)] = dx;
    }
}

// The sum over a workgroup, and for the first pass of softmax the maximum.
fn joined(invocation: u32, a: f32, largest: bool) -> f32 {
    sums[invocation] = a;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if invocation < half {
            let other = sums[invocation + half];
            sums[invocation] = select(sums[invocation] + other, max(sums[invocation], other), largest);
        }
        workgroupBarrier();
    }
    let result = sums[0];
    workgroupBarrier();
    return result;
}

// Where group `index` of a row starts in a tensor, in vectors of four.
fn start4(index: u32, offset: u32, stride: u32) -> u32 {
    let row = index / params.groups;
    return (offset + row * stride + index % params.groups * params.width) / 4u;
}

fn sum4(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn law_of_row(index: u32) -> Law {
    let at = start4(index, params.x_offset, params.x_stride);
    let fours = params.width / 4u;
    var first = vec4(0.0);
    for (var i = 0u; i < fours; i += 1u) {
        let v = x4[at + i];
        first += select(v, v * v, KIND == 1u);
    }
    let known = mean_of(sum4(first));
    var second = vec4(0.0);
    if KIND == 0u {
        for (var i = 0u; i < fours; i += 1u) {
            let v = x4[at + i] - known;
            second += v * v;
        }
    }
    return law(known, sum4(second));
}

@compute @workgroup_size(64)
fn forward_rows(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let l = law_of_row(index);
    let source = start4(index, params.x_offset, params.x_stride);
    let to = start4(index, params.y_offset, params.y_stride);
    for (var i = 0u; i < params.width / 4u; i += 1u) {
        y4[to + i] = (x4[source + i] - l.shift) * l.factor;
    }
}

@compute @workgroup_size(64)
fn backward_rows(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let l = law_of_row(index);
    let source = start4(index, params.x_offset, params.x_stride);
    let beside = start4(index, params.dy_offset, params.dy_stride);
    let to = start4(index, params.y_offset, params.y_stride);
    let fours = params.width / 4u;
    var all = vec4(0.0);
    var products = vec4(0.0);
    for (var i = 0u; i < fours; i += 1u) {
        let d = dy4[beside + i];
        all += d;
        products += d * (x4[source + i] - l.shift) * l.factor;
    }
    let total = f32(params.width);
    let level = select(0.0, sum4(all) / total, KIND == 0u);
    var tilt = sum4(products) / select(1.0, total, KIND == 0u);
    if KIND == 1u && !l.free {
        tilt = 0.0;
    }
    for (var i = 0u; i < fours; i += 1u) {
        let v = (x4[source + i] - l.shift) * l.factor;
        y4[to + i] = l.factor * (dy4[beside + i] - level - v * tilt);
    }
}

@compute @workgroup_size(64)
fn forward_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let known = mean_of(first_pass(index, 0u, 1u));
    var second = 0.0;
    if KIND != 1u {
        second = second_pass(index, 0u, 1u, known);
    }
    write(index, 0u, 1u, law(known, second));
}

@compute @workgroup_size(64)
fn forward_group(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups);
    if index >= params.count {
        return;
    }
    let known = mean_of(joined(invocation, first_pass(index, invocation, 64u), KIND == 2u));
    var second = 0.0;
    if KIND != 1u {
        second = joined(invocation, second_pass(index, invocation, 64u, known), false);
    }
    write(index, invocation, 64u, law(known, second));
}

@compute @workgroup_size(64)
fn backward_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let known = mean_of(first_pass(index, 0u, 1u));
    var second = 0.0;
    if KIND != 1u {
        second = second_pass(index, 0u, 1u, known);
    }
    let l = law(known, second);
    write_gradient(index, 0u, 1u, l, gradient_sums(index, 0u, 1u, l));
}

@compute @workgroup_size(64)
fn backward_group(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups);
    if index >= params.count {
        return;
    }
    let known = mean_of(joined(invocation, first_pass(index, invocation, 64u), KIND == 2u));
    var second = 0.0;
    if KIND != 1u {
        second = joined(invocation, second_pass(index, invocation, 64u, known), false);
    }
    let l = law(known, second);
    let own = gradient_sums(index, invocation, 64u, l);
    let s = vec2(joined(invocation, own.x, false), joined(invocation, own.y, false));
    write_gradient(index, invocation, 64u, l, s);
}
