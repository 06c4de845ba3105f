// What follows the sum of a convolution:
//
//   y[row, c] = act(scale[c] * (bias[c] + sum) + shift[c] + residual[row, c])
//
// bias: (channels)    affine: (2, channels), scale then shift
// residual: (rows, channels), its rows residual_stride apart

#import "convolution/params.wgsl"
#import "pointwise/activation.wgsl"

// What there is of it, in this order, and then the activation.
override EPILOGUE_BIAS: bool = false;
override EPILOGUE_AFFINE: bool = false;
override EPILOGUE_RESIDUAL: bool = false;

@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> affine: array<f32>;
@group(0) @binding(5) var<storage, read> residual: array<f32>;

@group(0) @binding(3) var<storage, read> bias4: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> affine4: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> residual4: array<vec4<f32>>;

// One number of y.
fn finished(row: u32, column: u32, sum: f32) -> f32 {
    var value = sum;
    if EPILOGUE_BIAS {
        value += bias[params.bias_offset + column];
    }
    if EPILOGUE_AFFINE {
        let at = params.affine_offset + column;
        value = value * affine[at] + affine[at + params.out_channels];
    }
    if EPILOGUE_RESIDUAL {
        value += residual[params.residual_offset + row * params.residual_stride + column];
    }
    return activate(vec4(value)).x;
}

// What it needs to know of four columns, loaded once for many rows; `at`: where row 0 of y stands.
struct Epilogue {
    at: u32,
    stride: u32,
    residual_at: u32,
    residual_stride: u32,
    bias: vec4<f32>,
    scale: vec4<f32>,
    shift: vec4<f32>,
}

fn epilogue(column4: u32) -> Epilogue {
    var found = Epilogue(
        params.y_offset / 4u + column4,
        params.y_stride / 4u,
        params.residual_offset / 4u + column4,
        params.residual_stride / 4u,
        vec4(0.0),
        vec4(1.0),
        vec4(0.0),
    );
    if EPILOGUE_BIAS {
        found.bias = bias4[params.bias_offset / 4u + column4];
    }
    if EPILOGUE_AFFINE {
        let at = params.affine_offset / 4u + column4;
        found.scale = affine4[at];
        found.shift = affine4[at + params.out_channels / 4u];
    }
    return found;
}

// Four numbers of y.
fn finished4(row: u32, sum: vec4<f32>, after: Epilogue) -> vec4<f32> {
    var value = sum;
    if EPILOGUE_BIAS {
        value += after.bias;
    }
    if EPILOGUE_AFFINE {
        value = value * after.scale + after.shift;
    }
    if EPILOGUE_RESIDUAL {
        value += residual4[after.residual_at + row * after.residual_stride];
    }
    return activate(value);
}
