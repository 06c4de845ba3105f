// What memories this adapter has, and how fast each is.
//
// read_vectors: every invocation adds up vectors of four of x, `rounds` times all of its share of `count`, a power of two;
//   rounds x count x 16 bytes. How much of x is read decides which memory it comes from. y (invocations) is written
//   once, so that nothing is optimised away.
// workgroup_read: the same from an array in workgroup memory; rounds x invocations x 8 (loads) x 16 bytes.
// chase: one invocation follows `chain`, an index that stands where the one before it points to, `rounds` times; it
//   goes on where the run before has stopped (at), since what that has read is in the cache.
//
// No version ladder: these do not compute anything.

#import "shared/grid.wgsl"

struct Params {
    rounds: u32,
    count: u32, // vectors of four
    m: f32,
    s: f32,
}

const GROUP: u32 = 64u;
// Vectors of four: 8 KB.
const SHARED: u32 = 512u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> chain: array<u32>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> at: array<u32>;

var<workgroup> kept: array<vec4<f32>, SHARED>;

@compute @workgroup_size(GROUP)
fn read_vectors(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let id = number_of(grid.workgroup, grid.workgroups) * GROUP + invocation;
    let invocations = grid.workgroups.x * grid.workgroups.y * grid.workgroups.z * GROUP;
    let steps = params.count / invocations;
    var a = vec4(0.0);
    var b = vec4(0.0);
    var c = vec4(0.0);
    var d = vec4(0.0);
    for (var round = 0u; round < params.rounds; round += 1u) {
        // Another place to begin at each time, or a round would be the same as the one before.
        var i = (id + round * GROUP) & (params.count - 1u);
        for (var step = 0u; step < steps; step += 4u) {
            a += x4[i];
            i = (i + invocations) & (params.count - 1u);
            b += x4[i];
            i = (i + invocations) & (params.count - 1u);
            c += x4[i];
            i = (i + invocations) & (params.count - 1u);
            d += x4[i];
            i = (i + invocations) & (params.count - 1u);
        }
    }
    y4[id] = a + b + c + d;
}

@compute @workgroup_size(GROUP)
fn workgroup_read(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) invocation: u32) {
    for (var i = invocation; i < SHARED; i += GROUP) {
        kept[i] = x4[i];
    }
    workgroupBarrier();
    var a = vec4(0.0);
    var b = vec4(0.0);
    var c = vec4(0.0);
    var d = vec4(0.0);
    for (var round = 0u; round < params.rounds; round += 1u) {
        let i = invocation + round;
        a += kept[i % SHARED];
        b += kept[(i + GROUP) % SHARED];
        c += kept[(i + 2u * GROUP) % SHARED];
        d += kept[(i + 3u * GROUP) % SHARED];
        a += kept[(i + 4u * GROUP) % SHARED];
        b += kept[(i + 5u * GROUP) % SHARED];
        c += kept[(i + 6u * GROUP) % SHARED];
        d += kept[(i + 7u * GROUP) % SHARED];
    }
    y4[id.x] = a + b + c + d;
}

@compute @workgroup_size(1)
fn chase() {
    var next = at[0];
    for (var round = 0u; round < params.rounds; round += 1u) {
        next = chain[next];
    }
    at[0] = next;
}
