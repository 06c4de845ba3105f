// What this adapter's matrix units can do at most: products of matrices of 16-bit numbers, added up in 32 bits.
//
// cooperative_multiply_add: every subgroup adds a product of two matrices to eight independent sums, `rounds` times;
//   rounds x subgroups x 8 x 2 SIZE^3 floating point operations. The factors are loaded once, from workgroup memory;
//   y (invocations) is written once, so that nothing is optimised away.
//
// SIZE is what the adapter multiplies: 16 (NVIDIA) or 8 (Apple, lavapipe); the loader puts coop_mat8x8 for
// coop_mat16x16 then. INVOCATIONS is four times the size of a subgroup.

enable f16;
enable wgpu_cooperative_matrix;

struct Params {
    rounds: u32,
    count: u32, // 0
    m: f32,
    s: f32,
}

const SIZE: u32 = 16u;
const INVOCATIONS: u32 = 128u;
const ELEMENTS: u32 = SIZE * SIZE;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

var<workgroup> factors: array<f16, ELEMENTS>;
// And room for sums that begin later.
var<workgroup> sums: array<f32, 4u * ELEMENTS + 8u>;

alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

@compute @workgroup_size(INVOCATIONS)
fn cooperative_multiply_add(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
    @builtin(subgroup_id) subgroup: u32,
) {
    // Small factors: sums stay far from the largest number.
    for (var i = invocation; i < ELEMENTS; i += INVOCATIONS) {
        factors[i] = f16(params.s / f32(i + SIZE));
    }
    for (var i = invocation; i < 4u * ELEMENTS + 8u; i += INVOCATIONS) {
        sums[i] = f32(i);
    }
    workgroupBarrier();
    // Offsets have names: naga's SPIR-V writer refuses them as expressions. Each sum begins at another place, or all
    // of them would be the same.
    let pitch = SIZE;
    let own = subgroup * ELEMENTS;
    let own1 = own + 1u;
    let own2 = own + 2u;
    let own3 = own + 3u;
    let own4 = own + 4u;
    let own5 = own + 5u;
    let own6 = own + 6u;
    let own7 = own + 7u;
    let first = params.count;
    let a = coopLoadT<Left>(&factors[first], pitch);
    let b = coopLoadT<Right>(&factors[first], pitch);
    var c0 = coopLoadT<Sum>(&sums[own], pitch);
    var c1 = coopLoadT<Sum>(&sums[own1], pitch);
    var c2 = coopLoadT<Sum>(&sums[own2], pitch);
    var c3 = coopLoadT<Sum>(&sums[own3], pitch);
    var c4 = coopLoadT<Sum>(&sums[own4], pitch);
    var c5 = coopLoadT<Sum>(&sums[own5], pitch);
    var c6 = coopLoadT<Sum>(&sums[own6], pitch);
    var c7 = coopLoadT<Sum>(&sums[own7], pitch);
    for (var round = 0u; round < params.rounds; round += 1u) {
        c0 = coopMultiplyAdd(a, b, c0);
        c1 = coopMultiplyAdd(a, b, c1);
        c2 = coopMultiplyAdd(a, b, c2);
        c3 = coopMultiplyAdd(a, b, c3);
        c4 = coopMultiplyAdd(a, b, c4);
        c5 = coopMultiplyAdd(a, b, c5);
        c6 = coopMultiplyAdd(a, b, c6);
        c7 = coopMultiplyAdd(a, b, c7);
    }
    // Each is read after it was stored: what nobody reads need not be computed.
    var sum = 0.0;
    workgroupBarrier();
    coopStoreT(c0, &sums[own], pitch);
    workgroupBarrier();
    sum += sums[invocation];
    workgroupBarrier();
    coopStoreT(c1, &sums[own], pitch);
    workgroupBarrier();
    sum += sums[invocation];
    workgroupBarrier();
    coopStoreT(c2, &sums[own], pitch);
    workgroupBarrier();
    sum += sums[invocation];
    workgroupBarrier();
    coopStoreT(c3, &sums[own], pitch);
    workgroupBarrier();
    sum += sums[invocation];
    workgroupBarrier();
    coopStoreT(c4, &sums[own], pitch);
    workgroupBarrier();
    sum += sums[invocation];
    workgroupBarrier();
    coopStoreT(c5, &sums[own], pitch);
    workgroupBarrier();
    sum += sums[invocation];
    workgroupBarrier();
    coopStoreT(c6, &sums[own], pitch);
    workgroupBarrier();
    sum += sums[invocation];
    workgroupBarrier();
    coopStoreT(c7, &sums[own], pitch);
    workgroupBarrier();
    sum += sums[invocation];
    y[workgroup.x * INVOCATIONS + invocation] = sum;
}
