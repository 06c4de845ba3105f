// Superpixels by SLIC (Achanta and others 2012) on grey images, and means over them.
//
//   place    a centre in the middle of each cell of S x S pixels, with the grey there
//   assign   label[p] = the centre with the smallest S^2 dg^2 + m^2 (dy^2 + dx^2), of those that stand
//            for the cell of p and the eight around it; the first of equals
//   move_centres     a centre to the mean of its pixels' row, column and grey; one without pixels stays
//   means    mean[k] = sum of x over the pixels of label k / their number
//   spread   y[p] = mean[label[p]]
//
// image, y, x, labels: (N, H, W, 1). centre: (N, K), a row, column and grey each, in quarters of a pixel and of a
// level; label: (N, H, W), both whole numbers. Centre k stands for cell (k / across, k % across), for
// good, so its pixels lie in 3 x 3 cells. With S <= 32 and m <= 60 a distance stays below 2^32: all
// adapters cut an image alike.

#import "shared/grid.wgsl"

struct Params {
    images: u32,
    height: u32,
    width: u32,
    down: u32,     // cells along the height
    across: u32,   // cells along the width
    cell: u32,     // S
    compactness: u32,   // m
    image_offset: u32,
    image_stride: u32,
    labels_offset: u32,
    labels_stride: u32,
    x_offset: u32,
    x_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> image: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> centre: array<u32>;
@group(0) @binding(2) var<storage, read> centres: array<u32>;
@group(0) @binding(3) var<storage, read_write> label: array<u32>;
@group(0) @binding(3) var<storage, read> chosen: array<u32>;
@group(0) @binding(3) var<storage, read> labels: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read> means_of: array<f32>;

var<workgroup> parts: array<vec4<u32>, 64>;
var<workgroup> sums: array<vec2<f32>, 64>;

// The grey level of a pixel, 0 to 255.
fn level(pixel: u32) -> u32 {
    let grey = image[params.image_offset + pixel * params.image_stride];
    return u32(clamp(floor(grey + 0.5), 0.0, 255.0));
}

@compute @workgroup_size(64)
fn place(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let index = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let cells = params.down * params.across;
    if index >= params.images * cells {
        return;
    }
    let cell = vec2(index % cells / params.across, index % params.across);
    let first = cell * params.cell;
    let last = min(first + params.cell, vec2(params.height, params.width)) - 1u;
    let middle = (first + last) / 2u;
    let pixel = (index / cells * params.height + middle.x) * params.width + middle.y;
    centre[3u * index] = 2u * (first.x + last.x);
    centre[3u * index + 1u] = 2u * (first.y + last.y);
    centre[3u * index + 2u] = 4u * level(pixel);
}

fn square(a: u32, b: u32) -> u32 {
    let apart = max(a, b) - min(a, b);
    return apart * apart;
}

@compute @workgroup_size(64)
fn assign(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let area = params.height * params.width;
    if pixel >= params.images * area {
        return;
    }
    let row = pixel % area / params.width;
    let column = pixel % params.width;
    let cells = params.down * params.across;
    let own = vec2(row, column) / params.cell;
    let first = max(own, vec2(1u)) - 1u;
    let last = min(own + 1u, vec2(params.down, params.across) - 1u);
    let grey = 4u * level(pixel);
    var best = 0xffffffffu;
    var nearest = 0u;
    for (var i = first.x; i <= last.x; i += 1u) {
        for (var j = first.y; j <= last.y; j += 1u) {
            let index = i * params.across + j;
            let at = 3u * (pixel / area * cells + index);
            let apart = square(4u * row, centres[at]) + square(4u * column, centres[at + 1u]);
            let distance = params.cell * params.cell * square(grey, centres[at + 2u])
                + params.compactness * params.compactness * apart;
            if distance < best {
                best = distance;
                nearest = index;
            }
        }
    }
    label[pixel] = nearest;
    y[params.y_offset + pixel * params.y_stride] = f32(nearest);
}

// The rectangle of pixels that can belong to a centre: first row and column, rows and columns.
fn surroundings(index: u32) -> vec4<u32> {
    let cell = vec2(index / params.across, index % params.across);
    let first = (max(cell, vec2(1u)) - 1u) * params.cell;
    let last = min((cell + 2u) * params.cell, vec2(params.height, params.width));
    return vec4(first, last - first);
}

// One workgroup a centre.
@compute @workgroup_size(64)
fn move_centres(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let number = number_of(grid.workgroup, grid.workgroups);
    let cells = params.down * params.across;
    if number >= params.images * cells {
        return;
    }
    let around = surroundings(number % cells);
    let start = number / cells * params.height;
    var part = vec4(0u);
    for (var at = invocation; at < around.z * around.w; at += 64u) {
        let row = around.x + at / around.w;
        let column = around.y + at % around.w;
        let pixel = (start + row) * params.width + column;
        if chosen[pixel] == number % cells {
            part += vec4(1u, row, column, level(pixel));
        }
    }
    parts[invocation] = part;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if invocation < half {
            parts[invocation] += parts[invocation + half];
        }
        workgroupBarrier();
    }
    let all = parts[0];
    if invocation < 3u && all.x > 0u {
        // Four times the mean, rounded.
        centre[3u * number + invocation] = (8u * all[invocation + 1u] + all.x) / (2u * all.x);
    }
}

// One workgroup a centre.
@compute @workgroup_size(64)
fn means(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let number = number_of(grid.workgroup, grid.workgroups);
    let cells = params.down * params.across;
    if number >= params.images * cells {
        return;
    }
    let around = surroundings(number % cells);
    let start = number / cells * params.height;
    var sum = vec2(0.0);
    for (var at = invocation; at < around.z * around.w; at += 64u) {
        let pixel = (start + around.x + at / around.w) * params.width + around.y + at % around.w;
        if u32(labels[params.labels_offset + pixel * params.labels_stride]) == number % cells {
            sum += vec2(1.0, x[params.x_offset + pixel * params.x_stride]);
        }
    }
    sums[invocation] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if invocation < half {
            sums[invocation] += sums[invocation + half];
        }
        workgroupBarrier();
    }
    if invocation == 0u {
        mean[number] = sums[0].y / max(sums[0].x, 1.0);
    }
}

@compute @workgroup_size(64)
fn spread(grid: Grid, @builtin(local_invocation_index) invocation: u32) {
    let pixel = number_of(grid.workgroup, grid.workgroups) * 64u + invocation;
    let area = params.height * params.width;
    if pixel >= params.images * area {
        return;
    }
    let cells = params.down * params.across;
    let own = u32(labels[params.labels_offset + pixel * params.labels_stride]);
    y[params.y_offset + pixel * params.y_stride] =
        means_of[pixel / area * cells + min(own, cells - 1u)];
}
