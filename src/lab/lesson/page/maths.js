// The equations of the page in plain JavaScript, in double precision: for sliders, for hovering, for checks.

/** What channel k adds to the map at position p, as a function (k, p), or null where a method has no such parts. */
export function contribution(e) {
  const [height, width, channels] = e.shape;
  const area = height * width;
  const { activation: A, gradient: g, weights } = e;
  if (!A || A.length !== area * channels) return null;
  if (weights) return (k, p) => weights[k] * A[p * channels + k];
  if (e.method === 'hirescam' && g) return (k, p) => g[p * channels + k] * A[p * channels + k];
  if (e.method === 'layercam' && g) return (k, p) => Math.max(0, g[p * channels + k]) * A[p * channels + k];
  if (e.method === 'activation') return (k, p) => A[p * channels + k] / channels;
  return null;
}

/** The channels in order: 'index', or 'effect', by the most that each adds anywhere. */
export function ordered(e, order) {
  const channels = e.shape[2];
  const all = Array.from({ length: channels }, (_, k) => k);
  const adds = contribution(e);
  if (order === 'index' || !adds) return all;
  const area = e.shape[0] * e.shape[1];
  const most = all.map((k) => {
    let largest = 0;
    for (let p = 0; p < area; p += 1) largest = Math.max(largest, Math.abs(adds(k, p)));
    return largest;
  });
  return all.sort((a, b) => most[b] - most[a] || a - b);
}

/** The sum over the first `count` channels of `order`. */
export function partialSum(e, order, count) {
  const adds = contribution(e);
  const area = e.shape[0] * e.shape[1];
  const out = new Float64Array(area);
  if (adds) for (const k of order.slice(0, count)) for (let p = 0; p < area; p += 1) out[p] += adds(k, p);
  return out;
}

/** The mean of the gradient of each channel. */
export function means(gradient, area, channels) {
  const out = new Float64Array(channels);
  for (let p = 0; p < area; p += 1) for (let k = 0; k < channels; k += 1) out[k] += gradient[p * channels + k];
  return out.map((sum) => sum / area);
}

/** One channel of (h, w, c), as (h, w). */
export function channelOf(data, channels, k) {
  const out = new Float32Array(data.length / channels);
  for (let p = 0; p < out.length; p += 1) out[p] = data[p * channels + k];
  return out;
}

/** Where the centre of output `index` of `to` lies among `from` inputs: two neighbours and the share of the second. */
export function tap(index, from, to) {
  const at = ((2 * index + 1) * from - to) / (2 * to);
  const low = Math.floor(at);
  const clamp = (i) => Math.min(from - 1, Math.max(0, i));
  return { at, low: clamp(low), high: clamp(low + 1), share: at - low };
}

/** Bilinear resizing, centres of pixels kept. */
export function resized(map, [h, w], [H, W]) {
  const out = new Float64Array(H * W);
  const columns = Array.from({ length: W }, (_, x) => tap(x, w, W));
  for (let y = 0; y < H; y += 1) {
    const row = tap(y, h, H);
    const [top, bottom] = [row.low * w, row.high * w];
    for (let x = 0; x < W; x += 1) {
      const { low, high, share } = columns[x];
      const above = map[top + low] * (1 - share) + map[top + high] * share;
      const below = map[bottom + low] * (1 - share) + map[bottom + high] * share;
      out[y * W + x] = above * (1 - row.share) + below * row.share;
    }
  }
  return out;
}

export function range(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return values.length ? [least, most] : [0, 0];
}

/** From the signed map to the resized one and its grey levels: {up, least, most, levels}. */
export function greyLevels(sum, size, to, normalisation) {
  const before = normalisation === 'relu-max' ? Float64Array.from(sum, (value) => Math.max(0, value)) : sum;
  const up = resized(before, size, to);
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

/** Heatmaps that know nothing of the picture: all ones, a Gaussian about the centre, an ellipse. */
export function trivialMaps(width, height) {
  const make = (value) => {
    const out = new Uint8Array(width * height);
    for (let y = 0; y < height; y += 1) {
      const v = (y + 0.5) / height - 0.5;
      for (let x = 0; x < width; x += 1) {
        const u = (x + 0.5) / width - 0.5;
        out[y * width + x] = value(u * u + v * v);
      }
    }
    return out;
  };
  return [
    { name: 'ones', levels: make(() => 255), about: '255 everywhere' },
    { name: 'Gaussian', levels: make((r2) => Math.round(255 * Math.exp(-r2 / (2 * 0.25 * 0.25)))), about: 'a bright centre, sigma a quarter of each side' },
    { name: 'ellipse', levels: make((r2) => (Math.sqrt(r2) <= 1 / 2.8 ? 255 : 0)), about: 'a filled ellipse, its axes 1/1.4 of the sides' },
  ];
}
