// What Winograd's convolutions share: conv2d_winograd.wgsl says what they compute.

#import "convolution/params.wgsl"

// Points of the interpolation.
const A: f32 = 0.70710678;
const B: f32 = 1.41421356;

alias Three = array<vec4<f32>, 3>;
alias Four = array<vec4<f32>, 4>;
alias Six = array<vec4<f32>, 6>;

// A tile: the image, and its first row and column of y.
struct Tile {
    image: u32,
    y: u32,
    x: u32,
}

fn locate(tile: u32) -> Tile {
    let across = (params.out_width + 3u) / 4u;
    let down = (params.out_height + 3u) / 4u;
    return Tile(tile / (across * down), tile / across % down * 4u, tile % across * 4u);
}
