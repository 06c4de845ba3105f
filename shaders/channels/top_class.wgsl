// seed[n] = wanted[n], or where that is all zeros, 1 at the greatest of scores[n], the first of equals.
//
// scores, wanted, seed: (rows, classes)
//
// Versions: `naive`, a workgroup a row: every invocation looks at each 64th class, then halves of the
// workgroup compare until one is left.

#import "shared/grid.wgsl"

struct Params {
    scores_offset: u32,
    wanted_offset: u32,
    seed_offset: u32,
    rows: u32,
    classes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> wanted: array<f32>;
@group(0) @binding(3) var<storage, read_write> seed: array<f32>;

var<workgroup> best: array<f32, 64>;
var<workgroup> place: array<u32, 64>;
var<workgroup> named: array<u32, 64>;

@compute @workgroup_size(64)
fn naive(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let row = number_of(grid.workgroup, grid.workgroups);
    let classes = params.classes;
    // A row beyond the last runs along, since all invocations must reach the barriers.
    let within = row < params.rows;
    let start = select(0u, row, within) * classes;

    var greatest = -3.4e38;
    var at = classes;
    var any = 0u;
    for (var unit = invocation; unit < classes; unit += 64u) {
        let score = scores[params.scores_offset + start + unit];
        if at == classes || score > greatest {
            greatest = score;
            at = unit;
        }
        if wanted[params.wanted_offset + start + unit] != 0.0 {
            any = 1u;
        }
    }
    best[invocation] = greatest;
    place[invocation] = at;
    named[invocation] = any;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if invocation < half {
            let other = invocation + half;
            let better = best[other] > best[invocation];
            let first = best[other] == best[invocation] && place[other] < place[invocation];
            if place[other] < classes && (place[invocation] == classes || better || first) {
                best[invocation] = best[other];
                place[invocation] = place[other];
            }
            named[invocation] |= named[other];
        }
        workgroupBarrier();
    }
    let top = place[0];
    let is_named = named[0] == 1u;
    if !within {
        return;
    }
    for (var unit = invocation; unit < classes; unit += 64u) {
        let one = select(0.0, 1.0, unit == top);
        let value = select(one, wanted[params.wanted_offset + start + unit], is_named);
        seed[params.seed_offset + start + unit] = value;
    }
}
