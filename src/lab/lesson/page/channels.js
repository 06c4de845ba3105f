// An explanation taken apart into its channels: what each adds to the map.

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

/** One channel of (h, w, c), as (h, w). */
export function channelOf(data, channels, k) {
  const out = new Float32Array(data.length / channels);
  for (let p = 0; p < out.length; p += 1) out[p] = data[p * channels + k];
  return out;
}
