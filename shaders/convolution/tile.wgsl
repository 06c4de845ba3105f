// What `tiled` and `fours` share, in a convolution and in both its gradients: a tile of a product of matrices.
// A workgroup passes TILE_STEPS terms of its sums at a time through workgroup memory, `left` times `right`.

// What a workgroup does at a time, and how many fours of rows an invocation keeps in registers; ACROSS invocations
// stand side by side, each with one or two fours of the columns.
const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 64u;
const ROW_FOURS: u32 = 2u;
const ACROSS: u32 = 8u;
const COLUMN_FOURS: u32 = TILE_COLUMNS / (4u * ACROSS);
const INVOCATIONS: u32 = ACROSS * TILE_ROWS / (4u * ROW_FOURS);
const TILE_STEPS: u32 = 16u;
const SUMS: u32 = 4u * ROW_FOURS * COLUMN_FOURS;
// How many invocations of `tiled` fetch the same step.
const PARTS: u32 = INVOCATIONS / TILE_STEPS;
// Against bank conflicts, where lanes that store next to each other store steps.
const PAD: u32 = 1u;
const RIGHT_PAD: u32 = 1u;
const LEFT_PITCH: u32 = TILE_ROWS / 4u + PAD;
const RIGHT_PITCH: u32 = TILE_COLUMNS / 4u + RIGHT_PAD;

var<workgroup> left: array<vec4<f32>, TILE_STEPS * LEFT_PITCH>;
var<workgroup> right: array<vec4<f32>, TILE_STEPS * RIGHT_PITCH>;

alias TileSums = array<vec4<f32>, SUMS>;

// Adds to an invocation's sums the products of what is in workgroup memory: four rows of four columns; rows 4
// and on; then the same of the other columns.
fn multiply(sums: ptr<function, TileSums>, my_rows: u32, my_columns: u32) {
    for (var s = 0u; s < TILE_STEPS; s++) {
        let a0 = left[s * LEFT_PITCH + ROW_FOURS * my_rows];
        let a1 = left[s * LEFT_PITCH + ROW_FOURS * my_rows + ROW_FOURS - 1u];
        let b0 = right[s * RIGHT_PITCH + my_columns];
        let b1 = right[s * RIGHT_PITCH + my_columns + ACROSS * (COLUMN_FOURS - 1u)];
        for (var i = 0u; i < 4u; i++) {
            (*sums)[i] += a0[i] * b0;
            if ROW_FOURS > 1u {
                (*sums)[i + 4u] += a1[i] * b0;
            }
            if COLUMN_FOURS > 1u {
                (*sums)[i + 4u * ROW_FOURS] += a0[i] * b1;
            }
            if ROW_FOURS > 1u && COLUMN_FOURS > 1u {
                (*sums)[i + 12u] += a1[i] * b1;
            }
        }
    }
}
