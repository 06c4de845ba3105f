// Batch normalisation in training, forward and backward.
//
//   statistics      mean = sum(x) / rows,  variance = sum((x - mean)^2) / rows
//   normalize       y = act(gamma * normal + beta [+ residual]),
//                   normal = (x - mean) / sqrt(variance + epsilon)
//   sums            dgamma = sum(d * normal),  dbeta = sum(d),  d = dy where act passes a gradient
//   input_gradient  dx = gamma / sqrt(variance + epsilon) * (d - (dbeta + normal * dgamma) / rows)
//                        [+ residual]
//   moving_average  moving = moving * momentum + statistic * (1 - momentum), where the guard is finite
//
// x, dy, residual, y (dy's and dx's shape too): (rows, channels), each with its own offset and distance of
// rows. stats: (2, channels), mean and variance. sums: (2, channels), dgamma and dbeta. gamma, beta,
// moving: (channels). guard: one number, by its bits. result: (2, channels). part, parts: (blocks, 2, channels).
//
// Rows are shared out in blocks: block b takes the rows b * near + j * far for j = 0..each, as far
// as there are such. An invocation does one block for one channel (naive) or four (fours), so that
// what belongs to the channel is read once a block.
//
// Sums are in two levels, and in the same order every time. The squares of a block are summed around
// the block's first element, and blocks are merged around the mean of the first (Chan, Golub and
// LeVeque 1979), so a mean that is large beside the deviation costs no digits, as it would in
// sum(x^2) / rows - mean^2.
//
// Backward, the activation's argument is computed again from x: cheaper than reading y.
//
// Versions: `naive`, one channel; `fours`, four channels, neighbours on neighbouring rows (near = 1);
// `strip`, the same entry points with an invocation on consecutive rows (far = 1), for processors; `group`, of the
// sums, by workgroups (batch_norm_group.wgsl), for GPUs.

#import "normalisation/batch_norm_common.wgsl"
#import "shared/grid.wgsl"

// `merge`: a workgroup merges the sums of this many channels, in this many slices. `merge_alone`: an
// invocation merges a channel's, where blocks are few, or a processor would have to halt at each barrier.
const MERGED: u32 = 8u;
const SLICES: u32 = 16u;

// Statistics: part holds the mean of each block and the sum of squares around it.

@compute @workgroup_size(64)
fn statistics_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let n = rows_of(block);
    var at = params.x_offset + block * params.near * params.x_stride + channel;
    let shift = x[at];
    var sum = 0.0;
    var squares = 0.0;
    for (var j = 1u; j < n; j += 1u) {
        at += params.far * params.x_stride;
        let d = x[at] - shift;
        sum += d;
        squares += d * d;
    }
    let mean = sum / f32(n);
    part[2u * block * params.channels + channel] = shift + mean;
    part[(2u * block + 1u) * params.channels + channel] = max(squares - sum * mean, 0.0);
}

@compute @workgroup_size(64)
fn statistics_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let n = rows_of(block);
    let step = params.far * params.x_stride / 4u;
    var at = (params.x_offset + block * params.near * params.x_stride) / 4u + channel;
    let shift = x4[at];
    var sum = vec4(0.0);
    var squares = vec4(0.0);
    for (var j = 1u; j < n; j += 1u) {
        at += step;
        let d = x4[at] - shift;
        sum += d;
        squares += d * d;
    }
    let mean = sum / f32(n);
    part4[2u * block * params.channels + channel] = shift + mean;
    part4[(2u * block + 1u) * params.channels + channel] =
        max(squares - sum * mean, vec4(0.0));
}

var<workgroup> tile: array<vec2<f32>, 128>; // MERGED * SLICES

// The sums of `value` over the slices of each channel, in the invocations of the first slice.
fn over_slices(invocation: u32, value: vec2<f32>) -> vec2<f32> {
    tile[invocation] = value;
    workgroupBarrier();
    var total = value;
    if invocation < MERGED {
        for (var slice = 1u; slice < SLICES; slice += 1u) {
            total += tile[slice * MERGED + invocation];
        }
    }
    return total;
}

// The sums of every `step`-th block from `first` on, around `shift`, the mean of the first of all: with
// e = mean of a block - shift, rows * (mean - shift) = sum(n e) and
// rows * variance = sum(squares + n e^2) - sum(n e)^2 / rows.
fn statistics_of(channel: u32, shift: f32, first: u32, step: u32) -> vec2<f32> {
    var value = vec2(0.0);
    for (var block = first; block < params.blocks; block += step) {
        let n = f32(rows_of(block));
        let e = parts[2u * block * params.channels + channel] - shift;
        let squares = parts[(2u * block + 1u) * params.channels + channel];
        value += vec2(n * e, squares + n * e * e);
    }
    return value;
}

fn store_statistics(channel: u32, shift: f32, total: vec2<f32>) {
    let rows = f32(params.rows);
    let mean = total.x / rows;
    result[params.result_offset + channel] = shift + mean;
    result[params.result_offset + params.channels + channel] =
        max((total.y - total.x * mean) / rows, 0.0);
}

@compute @workgroup_size(128)
fn statistics_merge(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let unit = number_of(grid.workgroup, grid.workgroups);
    if unit >= params.count {
        return;
    }
    let channel = unit * MERGED + invocation % MERGED;
    let inside = channel < params.channels;
    var shift = 0.0;
    var value = vec2(0.0);
    if inside {
        shift = parts[channel];
        value = statistics_of(channel, shift, invocation / MERGED, SLICES);
    }
    let total = over_slices(invocation, value);
    if inside && invocation < MERGED {
        store_statistics(channel, shift, total);
    }
}

@compute @workgroup_size(64)
fn statistics_merge_alone(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let channel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if channel >= params.count {
        return;
    }
    let shift = parts[channel];
    store_statistics(channel, shift, statistics_of(channel, shift, 0u, 1u));
}

// Normalise.

@compute @workgroup_size(64)
fn normalize_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let mean = stats[params.stats_offset + channel];
    let variance = stats[params.stats_offset + params.channels + channel];
    let scale = gamma[params.gamma_offset + channel] * inverse_deviation(vec4(variance)).x;
    let centred = x[params.x_offset + row * params.x_stride + channel] - mean;
    var value = centred * scale + beta[params.beta_offset + channel];
    if RESIDUAL {
        value += residual[params.residual_offset + row * params.residual_stride + channel];
    }
    y[params.y_offset + row * params.y_stride + channel] = activate(vec4(value)).x;
}

@compute @workgroup_size(64)
fn normalize_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let mean = stats4[params.stats_offset / 4u + channel];
    let variance = stats4[params.stats_offset / 4u + params.channels + channel];
    let scale = gamma4[params.gamma_offset / 4u + channel] * inverse_deviation(variance);
    let shift = beta4[params.beta_offset / 4u + channel];
    let first = block * params.near;
    var origin = (params.x_offset + first * params.x_stride) / 4u + channel;
    var added = (params.residual_offset + first * params.residual_stride) / 4u + channel;
    var to = (params.y_offset + first * params.y_stride) / 4u + channel;
    let n = rows_of(block);
    for (var j = 0u; j < n; j += 1u) {
        var value = (x4[origin] - mean) * scale + shift;
        if RESIDUAL {
            value += residual4[added];
            added += params.far * params.residual_stride / 4u;
        }
        y4[to] = activate(value);
        origin += params.far * params.x_stride / 4u;
        to += params.far * params.y_stride / 4u;
    }
}

// Gradients of gamma and beta: part holds sum(d * (x - mean)) and sum(d) of each block.

@compute @workgroup_size(64)
fn sums_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let mean = stats[params.stats_offset + channel];
    let variance = stats[params.stats_offset + params.channels + channel];
    let scale = gamma[params.gamma_offset + channel] * inverse_deviation(vec4(variance)).x;
    let shift = beta[params.beta_offset + channel];
    let first = block * params.near;
    var at = params.x_offset + first * params.x_stride + channel;
    var origin = params.dy_offset + first * params.dy_stride + channel;
    let n = rows_of(block);
    var products = 0.0;
    var sum = 0.0;
    for (var j = 0u; j < n; j += 1u) {
        let centred = x[at] - mean;
        let d = through(vec4(centred * scale + shift), vec4(dy[origin])).x;
        products += d * centred;
        sum += d;
        at += params.far * params.x_stride;
        origin += params.far * params.dy_stride;
    }
    part[2u * block * params.channels + channel] = products;
    part[(2u * block + 1u) * params.channels + channel] = sum;
}

@compute @workgroup_size(64)
fn sums_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let mean = stats4[params.stats_offset / 4u + channel];
    let variance = stats4[params.stats_offset / 4u + params.channels + channel];
    let scale = gamma4[params.gamma_offset / 4u + channel] * inverse_deviation(variance);
    let shift = beta4[params.beta_offset / 4u + channel];
    let first = block * params.near;
    var at = (params.x_offset + first * params.x_stride) / 4u + channel;
    var origin = (params.dy_offset + first * params.dy_stride) / 4u + channel;
    let n = rows_of(block);
    var products = vec4(0.0);
    var sum = vec4(0.0);
    for (var j = 0u; j < n; j += 1u) {
        let centred = x4[at] - mean;
        let d = through(centred * scale + shift, dy4[origin]);
        products += d * centred;
        sum += d;
        at += params.far * params.x_stride / 4u;
        origin += params.far * params.dy_stride / 4u;
    }
    part4[2u * block * params.channels + channel] = products;
    part4[(2u * block + 1u) * params.channels + channel] = sum;
}

fn sums_of(channel: u32, first: u32, step: u32) -> vec2<f32> {
    var value = vec2(0.0);
    for (var block = first; block < params.blocks; block += step) {
        value += vec2(
            parts[2u * block * params.channels + channel],
            parts[(2u * block + 1u) * params.channels + channel],
        );
    }
    return value;
}

fn store_sums(channel: u32, total: vec2<f32>) {
    let variance = stats[params.stats_offset + params.channels + channel];
    result[params.result_offset + channel] = total.x * inverse_deviation(vec4(variance)).x;
    result[params.result_offset + params.channels + channel] = total.y;
}

@compute @workgroup_size(128)
fn sums_merge(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let unit = number_of(grid.workgroup, grid.workgroups);
    if unit >= params.count {
        return;
    }
    let channel = unit * MERGED + invocation % MERGED;
    let inside = channel < params.channels;
    var value = vec2(0.0);
    if inside {
        value = sums_of(channel, invocation / MERGED, SLICES);
    }
    let total = over_slices(invocation, value);
    if inside && invocation < MERGED {
        store_sums(channel, total);
    }
}

@compute @workgroup_size(64)
fn sums_merge_alone(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let channel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if channel >= params.count {
        return;
    }
    store_sums(channel, sums_of(channel, 0u, 1u));
}

// Gradient of x, into y.

@compute @workgroup_size(64)
fn input_gradient_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let mean = stats[params.stats_offset + channel];
    let variance = stats[params.stats_offset + params.channels + channel];
    let inverse = inverse_deviation(vec4(variance)).x;
    let scale = gamma[params.gamma_offset + channel] * inverse;
    let shift = beta[params.beta_offset + channel];
    let dgamma = sums[params.sums_offset + channel];
    let dbeta = sums[params.sums_offset + params.channels + channel];
    let centred = x[params.x_offset + row * params.x_stride + channel] - mean;
    let upstream = dy[params.dy_offset + row * params.dy_stride + channel];
    let d = through(vec4(centred * scale + shift), vec4(upstream)).x;
    var value = scale * (d - (dbeta + centred * inverse * dgamma) / f32(params.rows));
    if RESIDUAL {
        value += residual[params.residual_offset + row * params.residual_stride + channel];
    }
    y[params.y_offset + row * params.y_stride + channel] = value;
}

@compute @workgroup_size(64)
fn input_gradient_fours(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.count {
        return;
    }
    let block = index / params.channels;
    let channel = index % params.channels;
    let mean = stats4[params.stats_offset / 4u + channel];
    let variance = stats4[params.stats_offset / 4u + params.channels + channel];
    let inverse = inverse_deviation(variance);
    let scale = gamma4[params.gamma_offset / 4u + channel] * inverse;
    let shift = beta4[params.beta_offset / 4u + channel];
    let rows = f32(params.rows);
    let slope = sums4[params.sums_offset / 4u + channel] * inverse / rows;
    let level = sums4[params.sums_offset / 4u + params.channels + channel] / rows;
    let first = block * params.near;
    var at = (params.x_offset + first * params.x_stride) / 4u + channel;
    var origin = (params.dy_offset + first * params.dy_stride) / 4u + channel;
    var added = (params.residual_offset + first * params.residual_stride) / 4u + channel;
    var to = (params.y_offset + first * params.y_stride) / 4u + channel;
    let n = rows_of(block);
    for (var j = 0u; j < n; j += 1u) {
        let centred = x4[at] - mean;
        let d = through(centred * scale + shift, dy4[origin]);
        var value = scale * (d - level - centred * slope);
        if RESIDUAL {
            value += residual4[added];
            added += params.far * params.residual_stride / 4u;
        }
        y4[to] = value;
        at += params.far * params.x_stride / 4u;
        origin += params.far * params.dy_stride / 4u;
        to += params.far * params.y_stride / 4u;
    }
}

@compute @workgroup_size(64)
fn moving_average(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let channel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if channel >= params.count {
        return;
    }
    // WGSL may assume that there is no infinity and no NaN, so the bits are looked at.
    if GUARDED && (guard[params.guard_offset] & 0x7f800000u) == 0x7f800000u {
        return;
    }
    let at = params.moving_offset + channel;
    let statistic = stats[params.stats_offset + params.row * params.channels + channel];
    moving[at] = moving[at] * params.momentum + statistic * (1.0 - params.momentum);
}
