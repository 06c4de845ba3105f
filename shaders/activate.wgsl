// Smooth and bent curves, number by number, and their gradients.
//
//   forward   y = f(x)
//   backward  y = dy * f'(x)
//
// x, dy, y: (rows, channels), each with its own offset and distance of rows. Which curve it is is an
// override, so a pipeline holds one; a, b and c are its constants:
//   1 relu of slope a, threshold b, ceiling c   2 elu, alpha a   3 selu   4 silu   5 gelu
//   6 gelu by tanh   7 sigmoid   8 hard sigmoid a * x + b, within 0 and 1   9 x times that
//   10 tanh   11 softplus   12 softsign   13 exp   14 mish
//
// Exponentials are taken of what is not positive, so that none overflows.
//
// Versions: `naive`, one number an invocation; `quad`, four channels, for shapes whose rows start and
// end on multiples of four.

struct Params {
    count: u32,    // rows * channels (naive), or a quarter of it (quad)
    channels: u32, // channels (naive), or a quarter of them (quad)
    a: f32,
    b: f32,
    c: f32,
    x_offset: u32,
    x_stride: u32,
    dy_offset: u32,
    dy_stride: u32,
    y_offset: u32,
    y_stride: u32,
}

override CURVE: u32 = 1u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy4: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y4: array<vec4<f32>>;

const SELU_ALPHA: f32 = 1.6732632423543772;
const SELU_SCALE: f32 = 1.0507009873554805;
const SQRT_HALF: f32 = 0.7071067811865476;
const SQRT_2_OVER_PI: f32 = 0.7978845608028654;
const CUBIC: f32 = 0.044715;

fn sigmoid(v: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(v));
    return select(e, vec4(1.0), v >= vec4(0.0)) / (1.0 + e);
}

fn softplus(v: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(v));
    // log(1 + e) loses all of a small e, of which it is the e itself.
    let small = e * (1.0 - e * (0.5 - e * (1.0 / 3.0 - e * 0.25)));
    return max(v, vec4(0.0)) + select(log(1.0 + e), small, e < vec4(0.01));
}

// exp(v) - 1 of what is not positive: near 0 by its series, where the difference would cancel.
fn expm1(v: vec4<f32>) -> vec4<f32> {
    let t = max(v, vec4(-0.2));
    let series = t * (1.0 + t * (0.5 + t * (1.0 / 6.0 + t * (1.0 / 24.0 + t * (1.0 / 120.0 + t / 720.0)))));
    return select(exp(v) - 1.0, series, v > vec4(-0.2));
}

// tanh by an exponential of what is not positive; built-ins differ by far more than a rounding.
fn hyperbolic(v: vec4<f32>) -> vec4<f32> {
    let t = -expm1(-2.0 * abs(v));
    return sign(v) * t / (2.0 - t);
}

// A quotient of polynomials within 4 of 0, beyond which the function is 1 to 24 bits.
fn erf(v: vec4<f32>) -> vec4<f32> {
    let t = clamp(v, vec4(-4.0), vec4(4.0));
    let s = t * t;
    var p = s * -2.72614225801306e-10 + 2.77068142495902e-08;
    p = p * s - 2.10102402082508e-06;
    p = p * s - 5.69250639462346e-05;
    p = p * s - 7.34990630326855e-04;
    p = p * s - 2.95459980854025e-03;
    p = p * s - 1.60960333262415e-02;
    var q = s * -1.45660718464996e-05 - 2.13374055278905e-04;
    q = q * s - 1.68282697438203e-03;
    q = q * s - 7.37332916720468e-03;
    q = q * s - 1.42647390514189e-02;
    return clamp(t * p / q, vec4(-1.0), vec4(1.0));
}

fn curve(v: vec4<f32>) -> vec4<f32> {
    let zero = vec4(0.0);
    switch CURVE {
        case 1u: {
            let below = params.a * (v - params.b);
            return select(below, min(v, vec4(params.c)), v >= vec4(params.b));
        }
        case 2u: { return select(params.a * expm1(min(v, zero)), v, v > zero); }
        case 3u: { return SELU_SCALE * select(SELU_ALPHA * expm1(min(v, zero)), v, v > zero); }
        case 4u: { return v * sigmoid(v); }
        case 5u: { return 0.5 * v * (1.0 + erf(v * SQRT_HALF)); }
        case 6u: { return v * sigmoid(2.0 * SQRT_2_OVER_PI * (v + CUBIC * v * v * v)); }
        case 7u: { return sigmoid(v); }
        case 8u: { return clamp(params.a * v + params.b, zero, vec4(1.0)); }
        case 9u: { return v * clamp(params.a * v + params.b, zero, vec4(1.0)); }
        case 10u: { return hyperbolic(v); }
        case 11u: { return softplus(v); }
        case 12u: { return v / (1.0 + abs(v)); }
        case 13u: { return exp(v); }
        default: { return v * hyperbolic(softplus(v)); }
    }
}

fn slope(v: vec4<f32>) -> vec4<f32> {
    let zero = vec4(0.0);
    let one = vec4(1.0);
    switch CURVE {
        case 1u: {
            let inside = select(zero, one, v < vec4(params.c));
            return select(vec4(params.a), inside, v >= vec4(params.b));
        }
        case 2u: { return select(params.a * exp(min(v, zero)), one, v > zero); }
        case 3u: { return SELU_SCALE * select(SELU_ALPHA * exp(min(v, zero)), one, v > zero); }
        case 4u: {
            let s = sigmoid(v);
            return s * (1.0 + v * (1.0 - s));
        }
        case 5u: {
            let density = 0.5 * SQRT_2_OVER_PI * exp(-0.5 * v * v);
            return 0.5 * (1.0 + erf(v * SQRT_HALF)) + v * density;
        }
        case 6u: {
            let s = sigmoid(2.0 * SQRT_2_OVER_PI * (v + CUBIC * v * v * v));
            let inner = 2.0 * SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * v * v);
            return s + v * s * (1.0 - s) * inner;
        }
        case 7u: {
            let s = sigmoid(v);
            return s * (1.0 - s);
        }
        case 8u: {
            let t = params.a * v + params.b;
            return select(zero, vec4(params.a), (t > zero) & (t < one));
        }
        case 9u: {
            let t = params.a * v + params.b;
            let inside = 2.0 * params.a * v + params.b;
            return select(select(zero, inside, t > zero), one, t >= one);
        }
        case 10u: {
            let t = hyperbolic(v);
            return 1.0 - t * t;
        }
        case 11u: { return sigmoid(v); }
        case 12u: {
            let t = 1.0 / (1.0 + abs(v));
            return t * t;
        }
        case 13u: { return exp(v); }
        default: {
            let t = hyperbolic(softplus(v));
            return t + v * (1.0 - t * t) * sigmoid(v);
        }
    }
}

@compute @workgroup_size(64)
fn forward_naive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let v = x[params.x_offset + row * params.x_stride + channel];
    y[params.y_offset + row * params.y_stride + channel] = curve(vec4(v)).x;
}

@compute @workgroup_size(64)
fn forward_quad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let v = x4[(params.x_offset + row * params.x_stride) / 4u + channel];
    y4[(params.y_offset + row * params.y_stride) / 4u + channel] = curve(v);
}

@compute @workgroup_size(64)
fn backward_naive(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let v = x[params.x_offset + row * params.x_stride + channel];
    let d = dy[params.dy_offset + row * params.dy_stride + channel];
    y[params.y_offset + row * params.y_stride + channel] = d * slope(vec4(v)).x;
}

@compute @workgroup_size(64)
fn backward_quad(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 64u + lane;
    if index >= params.count {
        return;
    }
    let row = index / params.channels;
    let channel = index % params.channels;
    let v = x4[(params.x_offset + row * params.x_stride) / 4u + channel];
    let d = dy4[(params.dy_offset + row * params.dy_stride) / 4u + channel];
    y4[(params.y_offset + row * params.y_stride) / 4u + channel] = d * slope(v);
}
