// What this adapter can do at most: multiply-adds in registers, and a copy.
//
// multiply_add: CHAINS independent sums a vector of four wide, ROUNDS x 4 steps a = a m + s each;
//   invocations x rounds x CHAINS x 4 (steps) x 4 (vector) x 2 floating point operations. Nothing is
//   loaded; y (invocations) is written once, so that nothing is optimised away.
// copy: y = x, (count) vectors of four; 32 count bytes.
//
// No version ladder: how many chains fill the arithmetic units, and whether `fma` is one instruction,
// differs by adapter, so the host tries all of them and keeps the fastest.

#import "shared/grid.wgsl"

struct Params {
    rounds: u32,
    count: u32, // vectors of four
    m: f32,
    s: f32,
}

override CHAINS: u32 = 4u; // 2, 4 or 8
override FUSED: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y4: array<vec4<f32>>;

fn once(a: vec4<f32>) -> vec4<f32> {
    if FUSED {
        return fma(a, vec4(params.m), vec4(params.s));
    }
    return a * params.m + params.s;
}

fn four(a: vec4<f32>) -> vec4<f32> {
    return once(once(once(once(a))));
}

@compute @workgroup_size(64)
fn multiply_add(@builtin(global_invocation_id) id: vec3<u32>) {
    let start = vec4(f32(id.x), f32(id.x + 1u), f32(id.x + 2u), f32(id.x + 3u));
    var a = start;
    var b = start + 1.0;
    var c = start + 2.0;
    var d = start + 3.0;
    var e = start + 4.0;
    var f = start + 5.0;
    var g = start + 6.0;
    var h = start + 7.0;
    for (var round = 0u; round < params.rounds; round += 1u) {
        a = four(a);
        b = four(b);
        if CHAINS > 2u {
            c = four(c);
            d = four(d);
        }
        if CHAINS > 4u {
            e = four(e);
            f = four(f);
            g = four(g);
            h = four(h);
        }
    }
    y4[id.x] = a + b + c + d + e + f + g + h;
}

@compute @workgroup_size(64)
fn copy(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    if index < params.count {
        y4[index] = x4[index];
    }
}
