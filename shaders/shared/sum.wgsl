// Sums over a workgroup of 64 invocations, always in the same order.

var<workgroup> sums: array<f32, 64>;

// The sum of `value`. Where another sum may follow, only the first invocation can be sure to read this one.
fn total(invocation: u32, value: f32) -> f32 {
    sums[invocation] = value;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if invocation < half {
            sums[invocation] += sums[invocation + half];
        }
        workgroupBarrier();
    }
    return sums[0];
}

// The same for all invocations, after which another may follow.
fn total_for_all(invocation: u32, value: f32) -> f32 {
    let all = total(invocation, value);
    workgroupBarrier();
    return all;
}
