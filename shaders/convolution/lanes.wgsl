// Rows handed from lane to lane of a subgroup: what the subgroup versions of convolutions share.

// Invocations of a workgroup; a multiple of the subgroup size.
override WORKGROUP: u32 = 32u;

// How many lanes hand rows to each other, ROW_BLOCKS each: 8, 4, 2 or 1, and no more than the smallest subgroup has.
const LANES: u32 = 8u;
const ROW_BLOCKS: u32 = 4u;
const ROWS: u32 = LANES * ROW_BLOCKS;

alias Sums = array<vec4<f32>, ROWS>;

// Adds the products of four steps to the sums of LANES rows from `first` on; lane l has those of the l-th in `a`.
// Where a driver does not unroll a loop around it, as Mesa 25 does not, sums of an index that varies are kept in
// memory: then it is to be called with a number.
fn add_rows(sums: ptr<function, Sums>, first: u32, b: mat4x4<f32>, a: vec4<f32>) {
    sums[first] += b * subgroupBroadcast(a, 0u);
    if LANES > 1u {
        sums[first + 1u % LANES] += b * subgroupBroadcast(a, 1u);
    }
    if LANES > 2u {
        sums[first + 2u % LANES] += b * subgroupBroadcast(a, 2u);
        sums[first + 3u % LANES] += b * subgroupBroadcast(a, 3u);
    }
    if LANES > 4u {
        sums[first + 4u % LANES] += b * subgroupBroadcast(a, 4u);
        sums[first + 5u % LANES] += b * subgroupBroadcast(a, 5u);
        sums[first + 6u % LANES] += b * subgroupBroadcast(a, 6u);
        sums[first + 7u % LANES] += b * subgroupBroadcast(a, 7u);
    }
}
