// What a convolution's kernels are told: where tensors stand, and the sizes of a convolution.
//
// Each kernel reads some of these; what a kernel does not read, its dispatch need not say.

struct Params {
    x_offset: u32,
    x_stride: u32,
    w_offset: u32,
    bias_offset: u32,
    affine_offset: u32,
    residual_offset: u32,
    residual_stride: u32,
    y_offset: u32,
    y_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
    d_x_offset: u32,
    d_x_stride: u32,
    dw_offset: u32,
    partial_offset: u32,
    parts_offset: u32,
    batch: u32,
    height: u32,
    width: u32,
    in_channels: u32,
    out_height: u32,
    out_width: u32,
    out_channels: u32,
    groups: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    pad_top: u32,
    pad_left: u32,
    dilation_y: u32,
    dilation_x: u32,
    // Of gradients with respect to weights: in how many sums the pixels of dy are split, and how many pixels, or
    // lines of them, each has.
    splits: u32,
    split_pixels: u32,
    // Of gradients with respect to the input: how far apart the taps are that reach one pixel, and the output pixels
    // that it meets through them.
    tap_step_y: u32,
    tap_step_x: u32,
    tap_back_y: u32,
    tap_back_x: u32,
    // Of depthwise convolutions: columns that an invocation of `strip` computes.
    columns: u32,
    // On cooperative matrices: the two factors and the product.
    left_offset: u32,
    left_stride: u32,
    right_offset: u32,
    right_stride: u32,
    out_offset: u32,
    out_stride: u32,
    product_rows: u32,
    product_columns: u32,
    product_depth: u32,
    // Winograd's transforms.
    u_offset: u32,
    u_point: u32,
    u_channel: u32,
    v_offset: u32,
    m_offset: u32,
    sides_offset: u32,
    z_offset: u32,
    q_offset: u32,
    first_tile: u32, // that v and m hold, of those of the images that are bound
    tiles: u32,      // that they hold
}

@group(0) @binding(0) var<uniform> params: Params;
