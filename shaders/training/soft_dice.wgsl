// loss = 1 / N * sum_n (1 - (2 * sum_p(w * p * z) + 1) / (sum_p(w * p) + sum_p(w * z) + 1)), p = 1 / (1 + exp(-x))
//
// logits, labels, weights, dlogits: x, z, w and dx, (N, P); element (n, p) stands at t_offset + n * t_stride + p.
// partial, parts_of_masks: the three sums of each part of a mask, (N, parts, 3). of_masks, sums_of_masks: those of
// each mask, (N, 3). loss, dloss: one number.
//
// `part_sums`: a workgroup takes a part of a mask, its lanes take pixels in turn. `mask_sums`: a workgroup adds up the
// parts of a mask. `mean`: one workgroup, over masks. `gradient`: a pixel an invocation. All sums have the same order
// in every run.

#import "shared/grid.wgsl"
#import "shared/sum.wgsl"

struct Params {
    masks: u32,  // N
    pixels: u32, // P
    parts: u32,  // of a mask
    logits_offset: u32,
    logits_stride: u32,
    labels_offset: u32,
    labels_stride: u32,
    weights_offset: u32,
    weights_stride: u32,
    partial_offset: u32,
    parts_of_masks_offset: u32,
    of_masks_offset: u32,
    sums_of_masks_offset: u32,
    loss_offset: u32,
    dloss_offset: u32,
    dlogits_offset: u32,
    dlogits_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;
@group(0) @binding(1) var<storage, read> parts_of_masks: array<f32>;
@group(0) @binding(4) var<storage, read_write> of_masks: array<f32>;
@group(0) @binding(5) var<storage, read> sums_of_masks: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read> dloss: array<f32>;
@group(0) @binding(7) var<storage, read_write> dlogits: array<f32>;

// p and 1 - p of a logit: exp of a negative number only, so that nothing overflows.
fn probability(x: f32) -> vec2<f32> {
    let e = exp(-abs(x));
    let sides = vec2(select(e, 1.0, x >= 0.0), select(1.0, e, x >= 0.0));
    return sides / (1.0 + e);
}

// The sums of three numbers over the workgroup, which the first invocation can read.
fn totals(invocation: u32, values: vec3<f32>) -> vec3<f32> {
    let x = total_for_all(invocation, values.x);
    let y = total_for_all(invocation, values.y);
    let z = total_for_all(invocation, values.z);
    return vec3(x, y, z);
}

@compute @workgroup_size(64)
fn part_sums(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let number = number_of(grid.workgroup, grid.workgroups);
    let mask = number / params.parts;
    if mask >= params.masks {
        return;
    }
    // As even as they can be, in whole workgroups of pixels.
    let rounds = (params.pixels + 64u * params.parts - 1u) / (64u * params.parts);
    let first = (number % params.parts) * rounds * 64u;
    let end = min(params.pixels, first + rounds * 64u);
    var sum = vec3(0.0);
    for (var pixel = first + invocation; pixel < end; pixel += 64u) {
        let p = probability(logits[params.logits_offset + mask * params.logits_stride + pixel]).x;
        let z = labels[params.labels_offset + mask * params.labels_stride + pixel];
        let w = weights[params.weights_offset + mask * params.weights_stride + pixel];
        sum += w * vec3(p * z, p, z);
    }
    let all = totals(invocation, sum);
    if invocation == 0u {
        let at = params.partial_offset + 3u * number;
        partial[at] = all.x;
        partial[at + 1u] = all.y;
        partial[at + 2u] = all.z;
    }
}

@compute @workgroup_size(64)
fn mask_sums(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let mask = number_of(grid.workgroup, grid.workgroups);
    if mask >= params.masks {
        return;
    }
    var sum = vec3(0.0);
    for (var part = invocation; part < params.parts; part += 64u) {
        let at = params.parts_of_masks_offset + 3u * (mask * params.parts + part);
        sum += vec3(parts_of_masks[at], parts_of_masks[at + 1u], parts_of_masks[at + 2u]);
    }
    let all = totals(invocation, sum);
    if invocation == 0u {
        let at = params.of_masks_offset + 3u * mask;
        of_masks[at] = all.x;
        of_masks[at + 1u] = all.y;
        of_masks[at + 2u] = all.z;
    }
}

fn sums_of(mask: u32) -> vec3<f32> {
    let at = params.sums_of_masks_offset + 3u * mask;
    return vec3(sums_of_masks[at], sums_of_masks[at + 1u], sums_of_masks[at + 2u]);
}

@compute @workgroup_size(64)
fn mean(@builtin(local_invocation_index) invocation: u32) {
    var sum = 0.0;
    for (var mask = invocation; mask < params.masks; mask += 64u) {
        let found = sums_of(mask);
        // 1 - Dice, without cancellation where they agree.
        sum += (found.y + found.z - 2.0 * found.x) / (found.y + found.z + 1.0);
    }
    let all = total(invocation, sum);
    if invocation == 0u {
        loss[params.loss_offset] = all / f32(params.masks);
    }
}

@compute @workgroup_size(64)
fn gradient(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.masks * params.pixels {
        return;
    }
    let mask = index / params.pixels;
    let pixel = index % params.pixels;
    let found = sums_of(mask);
    let under = found.y + found.z + 1.0;
    let p = probability(logits[params.logits_offset + mask * params.logits_stride + pixel]);
    let z = labels[params.labels_offset + mask * params.labels_stride + pixel];
    let w = weights[params.weights_offset + mask * params.weights_stride + pixel];
    let by_p = ((2.0 * found.x + 1.0) / under - 2.0 * z) / under;
    dlogits[params.dlogits_offset + mask * params.dlogits_stride + pixel] =
        dloss[params.dloss_offset] / f32(params.masks) * w * by_p * p.x * p.y;
}
