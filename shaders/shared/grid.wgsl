// Which workgroup of a dispatch this is.
//
// A grid of more workgroups than fit in one dimension is a rectangle of them: `grid` in src/engine/ops/lower.rs.

// What is the same for a whole workgroup, so that a compiler sees that a branch on it is taken by all or none.
struct Grid {
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
}

// The number of the workgroup in its layer of the grid. There may be more of them than there is work for. It takes a
// Grid apart, since DX12 tells the number of workgroups to entry points alone.
fn number_of(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
    return workgroup.y * workgroups.x + workgroup.x;
}
