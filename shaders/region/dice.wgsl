// levels[p] = floor(255 * max(v[p], 0) / max_p(v) + 1/2)
// dice[n, t] = 2 |A and B| / (|A| + |B|),  A: mask > 1/2,  B: gray > t,  t = 0..255
//
// values: v, (capacity); levels, gray: (capacity), 0..255; mask: (capacity).
// regions: (N, 3), first element, height and width of each image in these. dice: (N, 256).
// Scratch, which each dispatch sees under the name that says what it does with it:
//   counts, bins, totals: (N, 512), of each image the pixels of each level inside the mask, then
//   those outside of it, without level 0, which no threshold needs; for `tallies` and
//   `scores_of_sums` the pixels of at least each level inside the mask, then all of at least it;
//   counts, peaks, most: (N), the bits of the largest value; bits of positive floats order as they do.
//
// Versions of the levels: `peaks_naive`, one invocation an image looks for the largest value;
// `peaks_chunks`, workgroups share the image out. Then `scale`.
// Versions of Dice: `dice_naive`, 256 passes over the pixels, one a threshold; `histogram` and
// `scores`, one pass that counts, from which sums over levels above t give all thresholds;
// `tallies` and `scores_of_sums`, the same for software drivers: an invocation counts in memory of
// its own, since there an atomic costs more than all else that is done with a pixel.

#import "shared/grid.wgsl"

struct Params {
    images: u32, // N
    capacity: u32,
    chunks: u32,  // workgroups an image
    piece: u32,   // fours of pixels that a workgroup of `tallies` takes, at most 8 * 16383
    cleared: u32, // words of scratch
    values_offset: u32,
    regions_offset: u32,
    regions_stride: u32,
    levels_offset: u32,
    gray_offset: u32,
    mask_offset: u32,
    dice_offset: u32,
    dice_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> regions: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> levels: array<f32>;
@group(0) @binding(2) var<storage, read> gray: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(4) var<storage, read_write> dice: array<f32>;

@group(0) @binding(2) var<storage, read> gray4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> mask4: array<vec4<f32>>;

@group(0) @binding(5) var<storage, read_write> counts: array<u32>;
@group(0) @binding(5) var<storage, read_write> peaks: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read> most: array<u32>;
@group(0) @binding(5) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read> totals: array<u32>;

var<workgroup> local_peak: atomic<u32>;
var<workgroup> local_bins: array<atomic<u32>, 512>;
var<workgroup> inside: array<u32, 256>;
var<workgroup> anywhere: array<u32, 256>;

@compute @workgroup_size(256)
fn clear(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 256u + invocation;
    if index < params.cleared {
        counts[index] = 0u;
    }
}

// A region, and how many of its elements lie within the capacity.
struct Region {
    first: u32,
    count: u32,
}

fn whole(value: f32) -> u32 {
    return min(u32(clamp(value, 0.0, 16777216.0)), 16777216u);
}

fn region(image: u32) -> Region {
    let at = params.regions_offset + image * params.regions_stride;
    let first = min(whole(regions[at]), params.capacity);
    let height = whole(regions[at + 1u]);
    let width = whole(regions[at + 2u]);
    var count = 0u;
    if width > 0u {
        let room = params.capacity - first;
        count = min(min(height, room / width + 1u) * width, room);
    }
    return Region(first, count);
}

// The bits of a value that is positive and finite, else 0.
fn positive(bits: u32) -> u32 {
    return select(0u, bits, bits < 0x7f800000u);
}

@compute @workgroup_size(64)
fn peaks_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let image = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if image >= params.images {
        return;
    }
    let r = region(image);
    var peak = 0u;
    for (var p = 0u; p < r.count; p++) {
        peak = max(peak, positive(bitcast<u32>(values[params.values_offset + r.first + p])));
    }
    counts[image] = peak;
}

@compute @workgroup_size(256)
fn peaks_chunks(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let id = number_of(grid.workgroup, grid.workgroups);
    let image = id / params.chunks;
    if image >= params.images {
        return;
    }
    if invocation == 0u {
        atomicStore(&local_peak, 0u);
    }
    workgroupBarrier();
    let r = region(image);
    var peak = 0u;
    for (var p = id % params.chunks * 256u + invocation; p < r.count; p += 256u * params.chunks) {
        peak = max(peak, positive(bitcast<u32>(values[params.values_offset + r.first + p])));
    }
    atomicMax(&local_peak, peak);
    workgroupBarrier();
    if invocation == 0u {
        atomicMax(&peaks[image], atomicLoad(&local_peak));
    }
}

// A positive float as mantissa * 2^exponent, exponents counted from the smallest.
struct Parts {
    mantissa: u32,
    exponent: u32,
}

fn parts(bits: u32) -> Parts {
    let exponent = bits >> 23u;
    let fraction = bits & 0x7fffffu;
    if exponent == 0u {
        return Parts(fraction, 0u);
    }
    return Parts(fraction | 0x800000u, exponent - 1u);
}

// Whether a * x >= b * y, for x, y < 2^24 and a, b < 2^18: the products in two words.
fn at_least(a: u32, x: u32, b: u32, y: u32) -> bool {
    let low_x = a * (x & 0xfffu);
    let low_y = b * (y & 0xfffu);
    let high_x = a * (x >> 12u) + (low_x >> 12u);
    let high_y = b * (y >> 12u) + (low_y >> 12u);
    return high_x > high_y || (high_x == high_y && (low_x & 0xfffu) >= (low_y & 0xfffu));
}

// floor(255 * v / m + 1/2) for the bits of 0 <= v <= m, exactly: it is at least k where
// 510 * v >= (2 * k - 1) * m. Floats only guess, and may be one off.
fn level(v: u32, m: u32) -> u32 {
    let value = parts(v);
    let largest = parts(m);
    let apart = largest.exponent - value.exponent;
    if v == 0u || apart > 9u {
        // Less than a 512th of the largest.
        return 0u;
    }
    let quotient = f32(value.mantissa) / (f32(largest.mantissa) * f32(1u << apart));
    let guess = clamp(u32(255.0 * quotient + 0.5), 1u, 255u);
    if !at_least(510u, value.mantissa, (2u * guess - 1u) << apart, largest.mantissa) {
        return guess - 1u;
    }
    if guess < 255u && at_least(510u, value.mantissa, (2u * guess + 1u) << apart, largest.mantissa) {
        return guess + 1u;
    }
    return guess;
}

@compute @workgroup_size(256)
fn scale(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let id = number_of(grid.workgroup, grid.workgroups);
    let image = id / params.chunks;
    if image >= params.images {
        return;
    }
    let r = region(image);
    let peak = most[image];
    for (var p = id % params.chunks * 256u + invocation; p < r.count; p += 256u * params.chunks) {
        let bits = positive(bitcast<u32>(values[params.values_offset + r.first + p]));
        levels[params.levels_offset + r.first + p] = f32(level(bits, peak));
    }
}

@compute @workgroup_size(64)
fn dice_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let image = index / 256u;
    if image >= params.images {
        return;
    }
    let threshold = f32(index % 256u);
    let r = region(image);
    var both = 0u;
    var sizes = 0u;
    for (var p = r.first; p < r.first + r.count; p++) {
        let a = mask[params.mask_offset + p] > 0.5;
        let b = gray[params.gray_offset + p] > threshold;
        both += u32(a && b);
        sizes += u32(a) + u32(b);
    }
    dice[params.dice_offset + image * params.dice_stride + index % 256u] = score(both, sizes);
}

fn score(both: u32, sizes: u32) -> f32 {
    return select(2.0 * f32(both) / f32(max(sizes, 1u)), 0.0, sizes == 0u);
}

@compute @workgroup_size(256)
fn histogram(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let id = number_of(grid.workgroup, grid.workgroups);
    let image = id / params.chunks;
    if image >= params.images {
        return;
    }
    atomicStore(&local_bins[invocation], 0u);
    atomicStore(&local_bins[invocation + 256u], 0u);
    workgroupBarrier();
    let r = region(image);
    for (var p = id % params.chunks * 256u + invocation; p < r.count; p += 256u * params.chunks) {
        let shade = min(u32(clamp(gray[params.gray_offset + r.first + p], 0.0, 255.0)), 255u);
        let outside = mask[params.mask_offset + r.first + p] <= 0.5;
        // Most pixels of a heatmap are black and outside: they need no counting.
        if !outside || shade > 0u {
            atomicAdd(&local_bins[select(shade, shade + 256u, outside)], 1u);
        }
    }
    workgroupBarrier();
    for (var half = 0u; half < 512u; half += 256u) {
        let count = atomicLoad(&local_bins[half + invocation]);
        if count > 0u {
            atomicAdd(&bins[image * 512u + half + invocation], count);
        }
    }
}

@compute @workgroup_size(256)
fn scores(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let image = number_of(grid.workgroup, grid.workgroups);
    if image >= params.images {
        return;
    }
    let hits = totals[image * 512u + invocation];
    inside[invocation] = hits;
    anywhere[invocation] = hits + totals[image * 512u + 256u + invocation];
    workgroupBarrier();
    // Sums over levels from `invocation` up, in eight doublings.
    for (var reach = 1u; reach < 256u; reach <<= 1u) {
        var more_inside = 0u;
        var more = 0u;
        if invocation + reach < 256u {
            more_inside = inside[invocation + reach];
            more = anywhere[invocation + reach];
        }
        workgroupBarrier();
        inside[invocation] += more_inside;
        anywhere[invocation] += more;
        workgroupBarrier();
    }
    var both = 0u;
    var bright = 0u;
    if invocation < 255u {
        both = inside[invocation + 1u];
        bright = anywhere[invocation + 1u];
    }
    dice[params.dice_offset + image * params.dice_stride + invocation] = score(both, inside[0] + bright);
}

@compute @workgroup_size(8)
fn tallies(grid: Grid, @builtin(local_invocation_index) invocation: u32, @builtin(subgroup_invocation_id) lane: u32) {
    let gray_start = params.gray_offset / 4u;
    let mask_start = params.mask_offset / 4u;
    let id = number_of(grid.workgroup, grid.workgroups);
    let image = id / params.chunks;
    if image >= params.images {
        return;
    }
    // In fours of pixels, the first and last of which may be other images' in part.
    let r = region(image);
    let begin = r.first / 4u + id % params.chunks * params.piece;
    let end = min((r.first + r.count + 3u) / 4u, begin + params.piece);
    if begin >= end {
        return;
    }
    // The pixels of each level, and 2^16 times those inside the mask: one invocation sees fewer.
    var tally: array<u32, 256>;
    for (var four = begin + invocation; four < end; four += 8u) {
        let value = clamp(gray4[gray_start + four], vec4(0.0), vec4(255.0));
        // The last bits of a float from 2^23 on are a whole number.
        let shade = bitcast<vec4<u32>>(value + vec4(8388608.0)) & vec4(255u);
        let one = select(vec4(1u), vec4(65537u), mask4[mask_start + four] > vec4(0.5));
        // Wraps where a pixel lies before the image, and is too large then as well.
        let pixel = four * 4u + vec4(0u, 1u, 2u, 3u) - r.first;
        let count = select(vec4(0u), one, pixel < vec4(r.count));
        tally[shade.x] += count.x;
        tally[shade.y] += count.y;
        tally[shade.z] += count.z;
        tally[shade.w] += count.w;
    }
    var inside_above = 0u;
    var above = 0u;
    for (var darker = 0u; darker < 256u; darker++) {
        let shade = 255u - darker;
        inside_above += tally[shade] >> 16u;
        above += tally[shade] & 0xffffu;
        let all_inside_above = subgroupAdd(inside_above);
        let all_above = subgroupAdd(above);
        if lane == 0u {
            atomicAdd(&bins[image * 512u + shade], all_inside_above);
            atomicAdd(&bins[image * 512u + 256u + shade], all_above);
        }
    }
}

@compute @workgroup_size(256)
fn scores_of_sums(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let image = number_of(grid.workgroup, grid.workgroups);
    if image >= params.images {
        return;
    }
    let size = totals[image * 512u];
    var both = 0u;
    var bright = 0u;
    if invocation < 255u {
        both = totals[image * 512u + invocation + 1u];
        bright = totals[image * 512u + 256u + invocation + 1u];
    }
    dice[params.dice_offset + image * params.dice_stride + invocation] = score(both, size + bright);
}
