// y[n, p, c] = base + mask * (x - base)      `blend`: an image between x and a base
// y[n, p, c] = x + deviation[n] * z(key[n], p, c)      `noise`: an image and normal noise
//
// x: (1, H, W, C), the same for all n; y: (N, H, W, C); p runs over H * W.
// base: (C). mask: (N, H, W, 1), (N, 1, 1, C) or (N, 1, 1, 1).
// rows: (N, 2), deviation and key, a whole number below 2^24.
//
// z = sqrt(-2 ln u) cos(2 pi v), Box and Muller's, with i the number of the element in the image and
//   h = hash(2 i + hash(key)), k = hash(2 i + 1 + hash(key)), sums modulo 2^32,
//   u = ((h >> 8) + 1) / 2^24, v = (k >> 8) / 2^24
// and hash that of PCG-RXS-M-XS (O'Neill 2014; Jarzynski and Olano 2020).

struct Params {
    count: u32,    // N * H * W * C
    area: u32,     // H * W
    channels: u32, // C
    mask_image: u32,   // rows of mask from one image to the next
    mask_pixel: u32,   // rows of mask from one pixel to the next, 0 where they share it
    mask_channel: u32, // elements of mask from one channel to the next, 0 where they share it
    x_offset: u32,
    x_stride: u32,
    base_offset: u32,
    mask_offset: u32,
    mask_stride: u32,
    rows_offset: u32,
    rows_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> base: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<f32>;
@group(0) @binding(2) var<storage, read> rows: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn hash(value: u32) -> u32 {
    let state = value * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

@compute @workgroup_size(64)
fn blend(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let c = index % params.channels;
    let image = row / params.area;
    let p = row % params.area;
    let under = base[params.base_offset + c];
    let mask_row = image * params.mask_image + p * params.mask_pixel;
    let weight =
        mask[params.mask_offset + mask_row * params.mask_stride + c * params.mask_channel];
    let value = x[params.x_offset + p * params.x_stride + c];
    y[params.y_offset + row * params.y_stride + c] = under + weight * (value - under);
}

@compute @workgroup_size(64)
fn noise(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let c = index % params.channels;
    let image = row / params.area;
    let p = row % params.area;
    let own = params.rows_offset + image * params.rows_stride;
    let key = hash(u32(rows[own + 1u]));
    let element = 2u * (p * params.channels + c);
    let u = f32((hash(element + key) >> 8u) + 1u) / 16777216.0;
    let v = f32(hash(element + 1u + key) >> 8u) / 16777216.0;
    let z = sqrt(-2.0 * log(u)) * cos(6.2831853 * v);
    let value = x[params.x_offset + p * params.x_stride + c];
    y[params.y_offset + row * params.y_stride + c] = value + rows[own] * z;
}
