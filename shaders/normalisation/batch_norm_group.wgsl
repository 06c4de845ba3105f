// Sums over rows by whole workgroups: `statistics_group` and `sums_group` of batch normalisation.
// batch_norm.wgsl says what they compute.
//
// A workgroup takes GROUP_ACROSS fours of channels side by side and SLICES_DOWN rows of them at a time; its own sums meet
// in workgroup memory, so that what is left to merge is few however many invocations read. Block b has the rows
// b * near + j * far + slice, with near = SLICES_DOWN and far = blocks * SLICES_DOWN.

#import "normalisation/batch_norm_common.wgsl"
#import "shared/grid.wgsl"

const GROUP: u32 = 256u;
const GROUP_ACROSS: u32 = 8u;
const SLICES_DOWN: u32 = GROUP / GROUP_ACROSS;

// An invocation's sums: of the statistics, or of the gradient.
struct Pair {
    first: vec4<f32>,
    second: vec4<f32>,
}

var<workgroup> group_sums: array<Pair, GROUP>;

// What an invocation looks after.
struct Place {
    block: u32,
    slice: u32,
    channel: u32, // a four of them
    inside: bool,
}

fn place(group: u32, invocation: u32) -> Place {
    let tiles = (params.channels + GROUP_ACROSS - 1u) / GROUP_ACROSS;
    let channel = group % tiles * GROUP_ACROSS + invocation % GROUP_ACROSS;
    let block = group / tiles;
    let slice = invocation / GROUP_ACROSS;
    let row = block * params.near + slice;
    return Place(block, slice, channel, channel < params.channels && row < params.rows && block < params.blocks);
}

// How many rows a slice of a block has.
fn rows_below(at: Place) -> u32 {
    let first = at.block * params.near + at.slice;
    return (params.rows - first + params.far - 1u) / params.far;
}

// The sums of all slices, in the invocations of the first.
fn over_group(invocation: u32, own: Pair) -> Pair {
    group_sums[invocation] = own;
    workgroupBarrier();
    for (var half = GROUP / 2u; half >= GROUP_ACROSS; half /= 2u) {
        if invocation < half {
            group_sums[invocation].first += group_sums[invocation + half].first;
            group_sums[invocation].second += group_sums[invocation + half].second;
        }
        workgroupBarrier();
    }
    return group_sums[invocation];
}

@compute @workgroup_size(GROUP)
fn statistics_group(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let at = place(number_of(grid.workgroup, grid.workgroups), invocation);
    let step = params.far * params.x_stride / 4u;
    // All slices of a block sum around its first row.
    var shift = vec4(0.0);
    var own = Pair(vec4(0.0), vec4(0.0));
    if at.inside {
        let begin = (params.x_offset + at.block * params.near * params.x_stride) / 4u + at.channel;
        shift = x4[begin];
        var x_at = begin + at.slice * params.x_stride / 4u;
        let n = rows_below(at);
        var j = 0u;
        // Four loads on their way at a time.
        for (; j + 4u <= n; j += 4u) {
            let d0 = x4[x_at] - shift;
            let d1 = x4[x_at + step] - shift;
            let d2 = x4[x_at + 2u * step] - shift;
            let d3 = x4[x_at + 3u * step] - shift;
            own.first += (d0 + d1) + (d2 + d3);
            own.second += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
            x_at += 4u * step;
        }
        for (; j < n; j += 1u) {
            let d = x4[x_at] - shift;
            own.first += d;
            own.second += d * d;
            x_at += step;
        }
    }
    let total = over_group(invocation, own);
    if at.inside && at.slice == 0u {
        let mean = total.first / f32(rows_of(at.block));
        part4[2u * at.block * params.channels + at.channel] = shift + mean;
        part4[(2u * at.block + 1u) * params.channels + at.channel] =
            max(total.second - total.first * mean, vec4(0.0));
    }
}

@compute @workgroup_size(GROUP)
fn sums_group(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let at = place(number_of(grid.workgroup, grid.workgroups), invocation);
    let x_step = params.far * params.x_stride / 4u;
    let dy_step = params.far * params.dy_stride / 4u;
    var own = Pair(vec4(0.0), vec4(0.0));
    if at.inside {
        let mean = stats4[params.stats_offset / 4u + at.channel];
        let variance = stats4[params.stats_offset / 4u + params.channels + at.channel];
        let scale = gamma4[params.gamma_offset / 4u + at.channel] * inverse_deviation(variance);
        let shift = beta4[params.beta_offset / 4u + at.channel];
        let first = at.block * params.near + at.slice;
        var x_at = (params.x_offset + first * params.x_stride) / 4u + at.channel;
        var origin = (params.dy_offset + first * params.dy_stride) / 4u + at.channel;
        let n = rows_below(at);
        var j = 0u;
        for (; j + 2u <= n; j += 2u) {
            let c0 = x4[x_at] - mean;
            let c1 = x4[x_at + x_step] - mean;
            let d0 = through(c0 * scale + shift, dy4[origin]);
            let d1 = through(c1 * scale + shift, dy4[origin + dy_step]);
            own.first += d0 * c0 + d1 * c1;
            own.second += d0 + d1;
            x_at += 2u * x_step;
            origin += 2u * dy_step;
        }
        if j < n {
            let centred = x4[x_at] - mean;
            let d = through(centred * scale + shift, dy4[origin]);
            own.first += d * centred;
            own.second += d;
        }
    }
    let total = over_group(invocation, own);
    if at.inside && at.slice == 0u {
        part4[2u * at.block * params.channels + at.channel] = total.first;
        part4[(2u * at.block + 1u) * params.channels + at.channel] = total.second;
    }
}
