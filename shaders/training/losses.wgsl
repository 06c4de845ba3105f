// Softmax: loss = 1 / N * sum_n sum_k z * (log(sum_j exp(x_j)) - x_k)
// Sigmoid: loss = 1 / (N * K) * sum_n w_n * sum_k (max(x, 0) - x * z + log(1 + exp(-|x|)))
//
// logits, labels, dlogits: x, z and dx, (N, K); element (n, k) stands at t_offset + n * t_stride + k.
// weights: w, (N). loss, dloss: one number.
//
// Versions of the losses: `_naive`, one invocation sums all; `_lanes`, 64 invocations take rows
// (softmax) or elements (sigmoid) in turn, and their sums meet in workgroup memory, always in the
// same order; `_parts`, the same for a part of the rows or elements a workgroup, and `sum_parts` adds up
// what they found. Versions of the gradient of softmax: `_naive`, one element an invocation, which sums
// its row again; `_lanes`, one row an invocation. `_groups`, of softmax: a workgroup takes a row, and `softmax_sum` adds
// up what the rows lose.

#import "shared/grid.wgsl"
#import "shared/sum.wgsl"

struct Params {
    rows: u32,    // N
    classes: u32, // K
    part: u32,    // rows or elements of a workgroup of `_parts`; parts of `sum_parts`
    logits_offset: u32,
    logits_stride: u32,
    labels_offset: u32,
    labels_stride: u32,
    weights_offset: u32,
    loss_offset: u32,
    row_loss_offset: u32,
    row_losses_offset: u32,
    dloss_offset: u32,
    dlogits_offset: u32,
    dlogits_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read> dloss: array<f32>;
@group(0) @binding(6) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(4) var<storage, read_write> row_loss: array<f32>;
@group(0) @binding(3) var<storage, read> row_losses: array<f32>;

fn logit(row: u32, k: u32) -> f32 {
    return logits[params.logits_offset + row * params.logits_stride + k];
}

fn label(row: u32, k: u32) -> f32 {
    return labels[params.labels_offset + row * params.labels_stride + k];
}

// log(1 + x) for x >= 0; log alone is only good to 5e-7 near 1, and the loss of a row that is
// classified well is smaller than that.
fn log_1p(x: f32) -> f32 {
    if x < 0.0625 {
        return x * (1.0 - x * (1.0 / 2.0 - x * (1.0 / 3.0 - x * (1.0 / 4.0 - x * (1.0 / 5.0)))));
    }
    return log(1.0 + x);
}

// The largest logit of a row, and the sum over the others of exp(x - largest).
struct Row {
    most: f32,
    others: f32,
}

fn scan(row: u32) -> Row {
    var most = logit(row, 0u);
    var at = 0u;
    for (var k = 1u; k < params.classes; k++) {
        let x = logit(row, k);
        if x > most {
            most = x;
            at = k;
        }
    }
    var others = 0.0;
    for (var k = 0u; k < params.classes; k++) {
        if k != at {
            others += exp(logit(row, k) - most);
        }
    }
    return Row(most, others);
}

fn softmax_row(row: u32) -> f32 {
    let scanned = scan(row);
    let rest = log_1p(scanned.others);
    var sum = 0.0;
    for (var k = 0u; k < params.classes; k++) {
        sum += label(row, k) * (rest + (scanned.most - logit(row, k)));
    }
    return sum;
}

fn sigmoid_element(index: u32) -> f32 {
    let row = index / params.classes;
    let x = logit(row, index % params.classes);
    let z = label(row, index % params.classes);
    // Where z is 0 or 1 one of the first two factors is 0, and nothing cancels.
    let linear = max(x, 0.0) * (1.0 - z) + max(-x, 0.0) * z;
    return weights[params.weights_offset + row] * (linear + log_1p(exp(-abs(x))));
}

@compute @workgroup_size(1)
fn softmax_naive() {
    var sum = 0.0;
    for (var row = 0u; row < params.rows; row++) {
        sum += softmax_row(row);
    }
    loss[params.loss_offset] = sum / f32(params.rows);
}

@compute @workgroup_size(64)
fn softmax_lanes(@builtin(local_invocation_index) invocation: u32) {
    var sum = 0.0;
    for (var row = invocation; row < params.rows; row += 64u) {
        sum += softmax_row(row);
    }
    let all = total(invocation, sum);
    if invocation == 0u {
        loss[params.loss_offset] = all / f32(params.rows);
    }
}

var<workgroup> mosts: array<f32, 64>;
var<workgroup> places: array<u32, 64>;

// `scan` by a workgroup.
fn scan_together(row: u32, invocation: u32) -> Row {
    let first = min(invocation, params.classes - 1u);
    var most = logit(row, first);
    var place = first;
    for (var k = invocation + 64u; k < params.classes; k += 64u) {
        let x = logit(row, k);
        if x > most {
            most = x;
            place = k;
        }
    }
    mosts[invocation] = most;
    places[invocation] = place;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if invocation < half {
            let other = mosts[invocation + half];
            // Of equal ones the first, so that it does not depend on who found it.
            if other > mosts[invocation] || (other == mosts[invocation] && places[invocation + half] < places[invocation]) {
                mosts[invocation] = other;
                places[invocation] = places[invocation + half];
            }
        }
        workgroupBarrier();
    }
    most = mosts[0];
    place = places[0];
    var others = 0.0;
    for (var k = invocation; k < params.classes; k += 64u) {
        if k != place {
            others += exp(logit(row, k) - most);
        }
    }
    return Row(most, total_for_all(invocation, others));
}

@compute @workgroup_size(64)
fn softmax_groups(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let row = number_of(grid.workgroup, grid.workgroups);
    if row >= params.rows {
        return;
    }
    let scanned = scan_together(row, invocation);
    let rest = log_1p(scanned.others);
    var sum = 0.0;
    for (var k = invocation; k < params.classes; k += 64u) {
        sum += label(row, k) * (rest + (scanned.most - logit(row, k)));
    }
    let all = total(invocation, sum);
    if invocation == 0u {
        row_loss[params.row_loss_offset + row] = all;
    }
}

@compute @workgroup_size(64)
fn softmax_sum(@builtin(local_invocation_index) invocation: u32) {
    var sum = 0.0;
    for (var row = invocation; row < params.rows; row += 64u) {
        sum += row_losses[params.row_losses_offset + row];
    }
    let all = total(invocation, sum);
    if invocation == 0u {
        loss[params.loss_offset] = all / f32(params.rows);
    }
}

@compute @workgroup_size(64)
fn softmax_parts(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let number = number_of(grid.workgroup, grid.workgroups);
    let first = number * params.part;
    if first >= params.rows {
        return;
    }
    let end = min(params.rows - first, params.part);
    var sum = 0.0;
    for (var row = invocation; row < end; row += 64u) {
        sum += softmax_row(first + row);
    }
    let all = total(invocation, sum);
    if invocation == 0u {
        row_loss[params.row_loss_offset + number] = all;
    }
}

@compute @workgroup_size(64)
fn sigmoid_parts(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let number = number_of(grid.workgroup, grid.workgroups);
    let first = number * params.part;
    let count = params.rows * params.classes;
    if first >= count {
        return;
    }
    let end = min(count - first, params.part);
    var sum = 0.0;
    for (var index = invocation; index < end; index += 64u) {
        sum += sigmoid_element(first + index);
    }
    let all = total(invocation, sum);
    if invocation == 0u {
        row_loss[params.row_loss_offset + number] = all;
    }
}

// The sum of what `part` workgroups found, over `rows` rows or elements.
@compute @workgroup_size(64)
fn sum_parts(@builtin(local_invocation_index) invocation: u32) {
    var sum = 0.0;
    for (var part = invocation; part < params.part; part += 64u) {
        sum += row_losses[params.row_losses_offset + part];
    }
    let all = total(invocation, sum);
    if invocation == 0u {
        loss[params.loss_offset] = all / f32(params.rows);
    }
}

@compute @workgroup_size(64)
fn softmax_gradient_groups(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let row = number_of(grid.workgroup, grid.workgroups);
    if row >= params.rows {
        return;
    }
    let scanned = scan_together(row, invocation);
    var own = 0.0;
    for (var k = invocation; k < params.classes; k += 64u) {
        own += label(row, k);
    }
    let weight = total_for_all(invocation, own) / (1.0 + scanned.others);
    let scale = dloss[params.dloss_offset] / f32(params.rows);
    for (var k = invocation; k < params.classes; k += 64u) {
        let p = weight * exp(logit(row, k) - scanned.most);
        dlogits[params.dlogits_offset + row * params.dlogits_stride + k] = scale * (p - label(row, k));
    }
}

@compute @workgroup_size(64)
fn softmax_gradient_naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index >= params.rows * params.classes {
        return;
    }
    let row = index / params.classes;
    let k = index % params.classes;
    let scanned = scan(row);
    var weight = 0.0;
    for (var j = 0u; j < params.classes; j++) {
        weight += label(row, j);
    }
    let p = exp(logit(row, k) - scanned.most) / (1.0 + scanned.others);
    dlogits[params.dlogits_offset + row * params.dlogits_stride + k] =
        dloss[params.dloss_offset] / f32(params.rows) * (weight * p - label(row, k));
}

@compute @workgroup_size(64)
fn softmax_gradient_lanes(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let row = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if row >= params.rows {
        return;
    }
    let scanned = scan(row);
    var weight = 0.0;
    for (var k = 0u; k < params.classes; k++) {
        weight += label(row, k);
    }
    weight /= 1.0 + scanned.others;
    let scale = dloss[params.dloss_offset] / f32(params.rows);
    for (var k = 0u; k < params.classes; k++) {
        let p = weight * exp(logit(row, k) - scanned.most);
        dlogits[params.dlogits_offset + row * params.dlogits_stride + k] =
            scale * (p - label(row, k));
    }
}

@compute @workgroup_size(1)
fn sigmoid_naive() {
    let count = params.rows * params.classes;
    var sum = 0.0;
    for (var index = 0u; index < count; index++) {
        sum += sigmoid_element(index);
    }
    loss[params.loss_offset] = sum / f32(count);
}

@compute @workgroup_size(64)
fn sigmoid_lanes(@builtin(local_invocation_index) invocation: u32) {
    let count = params.rows * params.classes;
    var sum = 0.0;
    for (var index = invocation; index < count; index += 64u) {
        sum += sigmoid_element(index);
    }
    let all = total(invocation, sum);
    if invocation == 0u {
        loss[params.loss_offset] = all / f32(count);
    }
}

@compute @workgroup_size(64)
fn sigmoid_gradient(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let count = params.rows * params.classes;
    if index >= count {
        return;
    }
    let row = index / params.classes;
    let k = index % params.classes;
    let x = logit(row, k);
    // exp of a negative number only: no overflow.
    let e = exp(-abs(x));
    let p = select(e, 1.0, x >= 0.0) / (1.0 + e);
    let q = select(1.0, e, x >= 0.0) / (1.0 + e);
    // p - z, without cancellation where z is 0 or 1; q is 1 - p.
    let z = label(row, k);
    let scale = dloss[params.dloss_offset] / f32(count) * weights[params.weights_offset + row];
    dlogits[params.dlogits_offset + row * params.dlogits_stride + k] =
        scale * ((1.0 - z) * p - z * q);
}
