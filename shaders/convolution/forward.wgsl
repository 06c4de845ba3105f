// What the versions of a convolution share: conv2d.wgsl says what they compute.

#import "convolution/epilogue.wgsl"
#import "convolution/window.wgsl"

// Kernel 1 x 1, stride 1, no padding: row r of y needs row r of x and nothing else.
override POINTWISE: bool = false;

@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w4: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y4: array<vec4<f32>>;

// Stores one finished number.
fn store(row: u32, column: u32, sum: f32) {
    y[params.y_offset + row * params.y_stride + column] = finished(row, column, sum);
}

// Stores four finished columns.
fn store4(row: u32, sum: vec4<f32>, after: Epilogue) {
    y4[after.at + row * after.stride] = finished4(row, sum, after);
}

// The first element of the pixel of x that `tap` of a window looks at; only if it is inside.
fn pixel_start(corner: Window, iy: i32, ix: i32) -> u32 {
    let row = corner.image + u32(iy) * params.width + u32(ix);
    return params.x_offset + row * params.x_stride;
}
