// A part of the shaders that end in an activation, or take its gradient.
//
// ACTIVATION: 0 none   1 max(a, 0)   2 clamp(a, 0, 6)   3 bent: slope A below B, at most C   4 silu
//   5 gelu   6 gelu by tanh   7 sigmoid   8 hard sigmoid A * a + B, within 0 and 1   9 a times that
//   10 tanh   11 softplus   12 softsign   13 exp   14 mish   15 elu, alpha A   16 selu
//   17 square root   18 1 / a   19 |a|
//
// Exponentials are taken of what is not positive, so that none overflows.

override ACTIVATION: u32 = 0u;
// Its constants.
override ACTIVATION_A: f32 = 0.0;
override ACTIVATION_B: f32 = 0.0;
override ACTIVATION_C: f32 = 0.0;

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
    switch ACTIVATION {
        case 3u: {
            let below = ACTIVATION_A * (v - ACTIVATION_B);
            return select(below, min(v, vec4(ACTIVATION_C)), v >= vec4(ACTIVATION_B));
        }
        case 15u: { return select(ACTIVATION_A * expm1(min(v, zero)), v, v > zero); }
        case 16u: { return SELU_SCALE * select(SELU_ALPHA * expm1(min(v, zero)), v, v > zero); }
        case 4u: { return v * sigmoid(v); }
        case 5u: { return 0.5 * v * (1.0 + erf(v * SQRT_HALF)); }
        case 6u: { return v * sigmoid(2.0 * SQRT_2_OVER_PI * (v + CUBIC * v * v * v)); }
        case 7u: { return sigmoid(v); }
        case 8u: { return clamp(ACTIVATION_A * v + ACTIVATION_B, zero, vec4(1.0)); }
        case 9u: { return v * clamp(ACTIVATION_A * v + ACTIVATION_B, zero, vec4(1.0)); }
        case 10u: { return hyperbolic(v); }
        case 11u: { return softplus(v); }
        case 12u: { return v / (1.0 + abs(v)); }
        case 13u: { return exp(v); }
        case 17u: { return sqrt(v); }
        case 18u: { return 1.0 / v; }
        case 19u: { return abs(v); }
        default: { return v * hyperbolic(softplus(v)); }
    }
}

fn slope(v: vec4<f32>) -> vec4<f32> {
    let zero = vec4(0.0);
    let one = vec4(1.0);
    switch ACTIVATION {
        case 3u: {
            let inside = select(zero, one, v < vec4(ACTIVATION_C));
            return select(vec4(ACTIVATION_A), inside, v >= vec4(ACTIVATION_B));
        }
        case 15u: { return select(ACTIVATION_A * exp(min(v, zero)), one, v > zero); }
        case 16u: { return SELU_SCALE * select(SELU_ALPHA * exp(min(v, zero)), one, v > zero); }
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
            let t = ACTIVATION_A * v + ACTIVATION_B;
            return select(zero, vec4(ACTIVATION_A), (t > zero) & (t < one));
        }
        case 9u: {
            let t = ACTIVATION_A * v + ACTIVATION_B;
            let inside = 2.0 * ACTIVATION_A * v + ACTIVATION_B;
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
        case 17u: { return 0.5 / sqrt(v); }
        case 18u: {
            let t = 1.0 / v;
            return -t * t;
        }
        case 19u: { return sign(v); }
        default: {
            let t = hyperbolic(softplus(v));
            return t + v * (1.0 - t * t) * sigmoid(v);
        }
    }
}

// f(a).
fn activate(a: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == 0u {
        return a;
    }
    if ACTIVATION == 1u {
        return max(a, vec4(0.0));
    }
    if ACTIVATION == 2u {
        return clamp(a, vec4(0.0), vec4(6.0));
    }
    return curve(a);
}

// d * f'(a): what comes through the activation of the gradient d.
fn through(a: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    if ACTIVATION == 0u {
        return d;
    }
    if ACTIVATION == 1u {
        return select(vec4(0.0), d, a > vec4(0.0));
    }
    if ACTIVATION == 2u {
        return select(vec4(0.0), d, (a > vec4(0.0)) & (a < vec4(6.0)));
    }
    return d * slope(a);
}
