// Where the windows of a convolution's output pixels are.

#import "convolution/params.wgsl"

// Where the window of an output pixel starts: the first row of its image in x, and iy, ix of the
// window's corner, which may lie outside.
struct Window {
    image: u32,
    y: i32,
    x: i32,
}

fn window(row: u32) -> Window {
    let n = row / (params.out_height * params.out_width);
    let pixel = row % (params.out_height * params.out_width);
    let oy = pixel / params.out_width;
    let ox = pixel % params.out_width;
    return Window(
        n * params.height * params.width,
        i32(oy * params.stride_y) - i32(params.pad_top),
        i32(ox * params.stride_x) - i32(params.pad_left),
    );
}

fn inside(iy: i32, ix: i32) -> bool {
    return iy >= 0 && iy < i32(params.height) && ix >= 0 && ix < i32(params.width);
}
