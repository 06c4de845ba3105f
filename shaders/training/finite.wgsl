// y = loss where every g[i] is finite, else infinity
//
// loss, y: one number. gradients: g, (count). All by their bits: WGSL may assume that there is no
// infinity and no NaN.
//
// `naive`: an invocation looks at every `lanes`-th gradient and leaves 0 or 1 in `partial` (lanes);
// `decide`: one workgroup goes over these.

#import "shared/grid.wgsl"

struct Params {
    count: u32,
    lanes: u32,
    loss_offset: u32,
    gradients_offset: u32,
    y_offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> loss: array<u32>;
@group(0) @binding(2) var<storage, read> gradients: array<u32>;
@group(0) @binding(3) var<storage, read_write> partial: array<u32>;
@group(0) @binding(4) var<storage, read> parts: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<u32>;

const INFINITY: u32 = 0x7f800000u;

var<workgroup> found: array<u32, 64>;

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let lane = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if lane >= params.lanes {
        return;
    }
    var lost = 0u;
    for (var i = lane; i < params.count; i += params.lanes) {
        let bits = gradients[params.gradients_offset + i] & INFINITY;
        lost = max(lost, u32(bits == INFINITY));
    }
    partial[lane] = lost;
}

@compute @workgroup_size(64)
fn decide(@builtin(local_invocation_index) invocation: u32) {
    var lost = 0u;
    for (var lane = invocation; lane < params.lanes; lane += 64u) {
        lost = max(lost, parts[lane]);
    }
    found[invocation] = lost;
    workgroupBarrier();
    if invocation > 0u {
        return;
    }
    for (var i = 1u; i < 64u; i++) {
        lost = max(lost, found[i]);
    }
    y[params.y_offset] = select(loss[params.loss_offset], INFINITY, lost > 0u);
}
