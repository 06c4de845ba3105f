// What the page explains, in plain JavaScript and double precision: for checks of kernels, for pictures that are too
// large for the plans, and for the mode without WebGPU. The formulas are those of docs/explain.md.
//
// A is the activation of a layer and g the gradient of the score at it, h w c numbers each, channels side by side.

/** Where output `index` of `to` reads among `from` inputs: two neighbours and the share of the second. */
function tap(index, from, to) {
  const at = ((index + 0.5) * from) / to - 0.5;
  const low = Math.floor(at);
  const clamp = (i) => Math.min(from - 1, Math.max(0, i));
  return [clamp(low), clamp(low + 1), at - low];
}

/** Bilinear resizing of (h, w) to (H, W), the centres of pixels at halves. */
export function resize(plane, [h, w], [H, W]) {
  const out = new Float64Array(H * W);
  const columns = Array.from({ length: W }, (_, x) => tap(x, w, W));
  for (let y = 0; y < H; y += 1) {
    const [top, bottom, down] = tap(y, h, H);
    for (let x = 0; x < W; x += 1) {
      const [left, right, across] = columns[x];
      const a = plane[top * w + left] + (plane[top * w + right] - plane[top * w + left]) * across;
      const b = plane[bottom * w + left] + (plane[bottom * w + right] - plane[bottom * w + left]) * across;
      out[y * W + x] = a + (b - a) * down;
    }
  }
  return out;
}

/** A picture (RGBA, row by row) as the network takes it: (H, W, C), resized and scaled. */
export function numbers({ pixels, width, height }, { input: [H, W, C], affine, order }) {
  const planes = order === 'grey' ? [[299, 587, 114]] : (order === 'bgr' ? [2, 1, 0] : [0, 1, 2]);
  const found = planes.map((of) => {
    const plane = new Float64Array(width * height);
    for (let i = 0; i < plane.length; i += 1) {
      plane[i] = Array.isArray(of)
        ? Math.floor((of[0] * pixels[4 * i] + of[1] * pixels[4 * i + 1] + of[2] * pixels[4 * i + 2] + 500) / 1000)
        : pixels[4 * i + of];
    }
    return resize(plane, [height, width], [H, W]);
  });
  const out = new Float32Array(H * W * C);
  for (let i = 0; i < H * W; i += 1) {
    for (let c = 0; c < C; c += 1) out[i * C + c] = (found[c] ?? found[0])[i] * affine[c][0] + affine[c][1];
  }
  return out;
}

/** What scores stand for. `output`: as the network says it. */
export function probabilities(logits, output) {
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  if (output === 'given') return Float64Array.from(logits);
  if (output === 'sigmoid' || (output === 'usual' && logits.length === 1)) return Float64Array.from(logits, sigmoid);
  const most = Math.max(...logits);
  const powers = Float64Array.from(logits, (x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** The mean of each channel. */
export function mean(data, [h, w, c]) {
  const out = new Float64Array(c);
  for (let p = 0; p < h * w; p += 1) for (let k = 0; k < c; k += 1) out[k] += data[p * c + k];
  return out.map((sum) => sum / (h * w));
}

/** The sum over channels of weight times activation. */
export function weightedSum(A, weights, [h, w, c]) {
  const out = new Float64Array(h * w);
  for (let p = 0; p < h * w; p += 1) for (let k = 0; k < c; k += 1) out[p] += weights[k] * A[p * c + k];
  return out;
}

export const relu = (data) => Float64Array.from(data, (value) => Math.max(0, value));

// The sum over channels of what `of` makes of A and g at a place.
function everywhere(A, g, [h, w, c], of) {
  const out = new Float64Array(h * w);
  for (let p = 0; p < h * w; p += 1) for (let k = 0; k < c; k += 1) out[p] += of(A[p * c + k], g[p * c + k]);
  return out;
}

function weighted(A, shape, weights) {
  return { weights, sum: weightedSum(A, weights, shape) };
}

/** The methods of layers: (A, g, shape, sign) → {weights: c numbers or null, sum: h w numbers before a ReLU}. */
export const METHODS = {
  gradcam: (A, g, shape) => weighted(A, shape, mean(g, shape)),
  'gradcam++': (A, g, shape) => {
    const [h, w, c] = shape;
    const sums = mean(A, shape).map((value) => value * h * w);
    const weights = new Float64Array(c);
    for (let p = 0; p < h * w; p += 1) {
      for (let k = 0; k < c; k += 1) {
        const slope = g[p * c + k];
        const divisor = 2 * slope ** 2 + sums[k] * slope ** 3;
        if (divisor !== 0) weights[k] += (slope ** 2 / divisor) * Math.max(0, slope);
      }
    }
    return weighted(A, shape, weights);
  },
  xgradcam: (A, g, shape) => {
    const [h, w, c] = shape;
    const sums = mean(A, shape).map((value) => value * h * w);
    const products = new Float64Array(c);
    for (let p = 0; p < h * w; p += 1) for (let k = 0; k < c; k += 1) products[k] += A[p * c + k] * g[p * c + k];
    return weighted(A, shape, products.map((value, k) => (sums[k] === 0 ? 0 : value / sums[k])));
  },
  hirescam: (A, g, shape) => ({ weights: null, sum: everywhere(A, g, shape, (a, slope) => a * slope) }),
  layercam: (A, g, shape) => ({ weights: null, sum: everywhere(A, g, shape, (a, slope) => a * Math.max(0, slope)) }),
  activation: (A, g, shape, sign) => ({ weights: null, sum: mean2(A, shape).map((value) => sign * value) }),
  eigencam: (A, g, shape, sign) => ({ weights: null, sum: principal(A, shape).map((value) => sign * value) }),
};

/** Methods whose definition ends in max(0, ...). */
export const ENDS_IN_RELU = new Set(['gradcam', 'gradcam++', 'xgradcam', 'layercam']);

// The mean over channels.
function mean2(A, [h, w, c]) {
  return everywhere(A, A, [h, w, c], (a) => a / c);
}

// A times its first right singular vector, by power iteration; the sign whose sum is not negative.
function principal(A, [h, w, c]) {
  let v = new Float64Array(c).fill(1);
  let map = new Float64Array(h * w);
  for (let turn = 0; turn < 200; turn += 1) {
    map = weightedSum(A, v, [h, w, c]);
    const next = new Float64Array(c);
    for (let p = 0; p < h * w; p += 1) for (let k = 0; k < c; k += 1) next[k] += map[p] * A[p * c + k];
    const length = Math.hypot(...next);
    if (!(length > 0)) return map.fill(0);
    v = next.map((value) => value / length);
  }
  map = weightedSum(A, v, [h, w, c]);
  return map.reduce((a, b) => a + b, 0) < 0 ? map.map((value) => -value) : map;
}

/** From a signed map to grey levels at another size: `{up, least, most, levels}`. */
export function greyLevels(sum, from, to, normalisation = 'relu-max') {
  const up = resize(normalisation === 'relu-max' ? relu(sum) : sum, from, to);
  let [lowest, most] = [Infinity, -Infinity];
  for (const value of up) {
    if (value < lowest) lowest = value;
    if (value > most) most = value;
  }
  const least = normalisation === 'min-max' ? lowest : 0;
  const range = most - least;
  const levels = new Uint8Array(up.length);
  if (range > 0 && Number.isFinite(range)) {
    for (let i = 0; i < up.length; i += 1) levels[i] = Math.floor(255 * Math.max(0, (up[i] - least) / range) + 0.5);
  }
  return { up, least, most, levels };
}

/** Dice of levels > t and the mask at all 256 thresholds, and their mean; 0 where both are empty. */
export function dice(levels, mask) {
  const [inside, all] = [new Float64Array(257), new Float64Array(257)];
  let size = 0;
  for (let i = 0; i < levels.length; i += 1) {
    all[levels[i]] += 1;
    if (mask[i]) {
      inside[levels[i]] += 1;
      size += 1;
    }
  }
  const out = new Float64Array(256);
  let [both, above] = [0, 0];
  for (let t = 255; t >= 0; t -= 1) {
    // Above t are the levels from t + 1 on.
    both += t < 255 ? inside[t + 1] : 0;
    above += t < 255 ? all[t + 1] : 0;
    out[t] = size + above > 0 ? (2 * both) / (size + above) : 0;
  }
  return { dice: out, meanDice: out.reduce((a, b) => a + b, 0) / 256 };
}
