// The equations of the page in plain JavaScript and double precision: for sliders and hovering, for checks of kernels, for
// pictures that are too large for the plans, and for the mode without WebGPU. The formulas are those of docs/explain.md.
//
// A is the activation of a layer and g the gradient of the score at it, h w c numbers each, channels side by side.

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
  // The gradient at the mean is the kernel of the dense layer behind it.
  cam: (A, g, shape) => weighted(A, shape, mean(g, shape).map((value) => value * shape[0] * shape[1])),
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
  activation: (A, g, shape, sign) => ({ weights: null, sum: overChannels(A, shape).map((value) => sign * value) }),
  eigencam: (A, g, shape, sign) => ({ weights: null, sum: principal(A, shape).map((value) => sign * value) }),
};

/** Methods whose definition ends in max(0, ...). */
export const ENDS_IN_RELU = new Set(['gradcam', 'gradcam++', 'xgradcam', 'layercam']);

// The mean over channels.
function overChannels(A, [h, w, c]) {
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

/** Where the centre of output `index` of `to` lies among `from` inputs: two neighbours and the share of the second. */
export function tap(index, from, to) {
  const at = ((2 * index + 1) * from - to) / (2 * to);
  const low = Math.floor(at);
  const clamp = (i) => Math.min(from - 1, Math.max(0, i));
  return { at, low: clamp(low), high: clamp(low + 1), share: at - low };
}

/** Bilinear resizing of (h, w) to (H, W), centres of pixels kept. */
export function resized(map, [h, w], [H, W]) {
  const out = new Float64Array(H * W);
  const columns = Array.from({ length: W }, (_, x) => tap(x, w, W));
  for (let y = 0; y < H; y += 1) {
    const row = tap(y, h, H);
    const [top, bottom] = [row.low * w, row.high * w];
    for (let x = 0; x < W; x += 1) {
      const { low, high, share } = columns[x];
      const above = map[top + low] + (map[top + high] - map[top + low]) * share;
      const below = map[bottom + low] + (map[bottom + high] - map[bottom + low]) * share;
      out[y * W + x] = above + (below - above) * row.share;
    }
  }
  return out;
}

/** The least and the largest of them. */
export function range(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return values.length ? [least, most] : [0, 0];
}

/** From the signed map to the resized one and its grey levels: {up, least, most, levels}. */
export function greyLevels(sum, size, to, normalisation = 'relu-max') {
  const up = resized(normalisation === 'relu-max' ? relu(sum) : sum, size, to);
  const [lowest, most] = range(up);
  const least = normalisation === 'min-max' ? lowest : 0;
  const span = most - least;
  const levels = new Uint8Array(up.length);
  if (span > 0 && Number.isFinite(span)) {
    for (let i = 0; i < up.length; i += 1) levels[i] = Math.floor(255 * Math.max(0, (up[i] - least) / span) + 0.5);
  }
  return { up, least, most, levels };
}

/** Pixels of each level: {inside, everywhere, truth, above(t), both(t)}. */
export function histograms(levels, truth) {
  const inside = new Float64Array(257);
  const everywhere = new Float64Array(257);
  let size = 0;
  for (let i = 0; i < levels.length; i += 1) {
    everywhere[levels[i]] += 1;
    if (truth[i]) {
      inside[levels[i]] += 1;
      size += 1;
    }
  }
  // Sums from the top: how many lie above each threshold.
  const [both, above] = [new Float64Array(257), new Float64Array(257)];
  for (let t = 254; t >= 0; t -= 1) {
    both[t] = both[t + 1] + inside[t + 1];
    above[t] = above[t + 1] + everywhere[t + 1];
  }
  return { size, both, above, inside, everywhere };
}

/** Dice of `levels` > t and the truth, at all 256 thresholds, and their mean. */
export function diceCurve(levels, truth) {
  const { size, both, above } = histograms(levels, truth);
  const dice = new Float64Array(256);
  let sum = 0;
  for (let t = 0; t < 256; t += 1) {
    dice[t] = size + above[t] > 0 ? (2 * both[t]) / (size + above[t]) : 0;
    sum += dice[t];
  }
  return { dice, meanDice: sum / 256 };
}

/** The threshold of the highest Dice, the lowest of equals. */
export const bestOf = (values) => values.reduce((best, one, t) => (one > values[best] ? t : best), 0);
