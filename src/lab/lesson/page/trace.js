// One number of a feature map, taken apart into the numbers that its layer made it of.

import { app } from 'lesson/app.js';
import { folded, pointwise } from 'lesson/forward.js';
import { format } from 'lesson/inspector.js';

const tensors = (layer) => Promise.all(layer.inputs.map((name) => app.lesson.activationOf(name)));
const at3 = ([, W, C], i, j, k) => (i * W + j) * C + k;

/**
 * {terms: [{label, weight, value, at: [layer, index]}], sum, value, lines, text, note}, or null where the layer's
 * inputs are not known. `index` is [row, column, channel] or [channel].
 */
export async function trace(name, index) {
  const layer = app.layers.find((one) => one.name === name);
  const take = layer && TAKE[layer.details?.kind];
  if (!take) return null;
  const inputs = await tensors(layer);
  if (inputs.length === 0 || inputs.some((input) => !input?.data)) return null;
  return take(layer, inputs, index);
}

const TAKE = {
  conv2d: (layer, inputs, index) => filter(layer, inputs, index, false),
  depthwise_conv2d: (layer, inputs, index) => filter(layer, inputs, index, true),

  dense(layer, [x], [o]) {
    const { weights, bias } = layer.details;
    const w = app.lesson.weight(weights);
    const shift = bias ? app.lesson.weight(bias).data[o] : 0;
    const count = w.shape.at(-1);
    const terms = Array.from(x.data, (value, k) => ({ label: `k = ${k}`, weight: w.data[k * count + o], value, at: [layer.inputs[0], [k]] }));
    return closed(terms, shift, 'y = Σ w · x + b');
  },

  batch_norm(layer, [x], index) {
    const k = index.at(-1);
    const { scale, shift } = folded(layer.details, (name) => app.lesson.weight(name), k);
    const value = read(x, index);
    return {
      text: 'y = scale · x + shift',
      terms: [{ label: 'x', weight: scale, value, at: [layer.inputs[0], index] }], sum: scale * value,
      lines: [`scale = γ / √(variance + ε) = ${format(scale)}`, `${format(scale * value)} + (${format(shift)})`], value: scale * value + shift,
      note: 'Batch normalisation keeps the mean and variance of training. When it has learned, it is one factor and one shift a channel.',
    };
  },

  elementwise(layer, inputs, index) {
    const values = inputs.map((input) => read(input, index));
    let [value, next] = [values[0], 1];
    const terms = values.map((one, n) => ({ label: layer.inputs[n], weight: 1, value: one, at: [layer.inputs[n], index] }));
    for (const name of layer.details.chain) {
      const step = pointwise(name);
      if (!step) return null;
      value = step(value, step.length === 2 ? values[next++] : undefined);
    }
    const only = layer.details.chain.map((one) => (typeof one === 'string' ? one : `${Object.keys(one)[0]} by ${format(Object.values(one)[0])}`)).join(', then ');
    return { text: only === 'relu' ? 'y = max(0, x)' : only === 'add' ? 'y = a + b' : `y: ${only}`, terms, sum: terms.reduce((sum, term) => sum + term.value, 0), lines: [], value };
  },

  max_pool: (layer, inputs, index) => window_(layer, inputs[0], index, true),
  average_pool: (layer, inputs, index) => window_(layer, inputs[0], index, false),

  global_average_pool(layer, [x], [k]) {
    const [H, W] = x.shape;
    const terms = [];
    for (let i = 0; i < H; i += 1) for (let j = 0; j < W; j += 1) terms.push({ label: `row ${i}, column ${j}`, weight: 1 / (H * W), value: x.data[at3(x.shape, i, j, k)], at: [layer.inputs[0], [i, j, k]] });
    return closed(terms, null, `y = (1/Z) Σ x over Z = ${H * W} positions`);
  },
};

const read = (tensor, index) => tensor.data[index.length === 1 ? index[0] : at3(tensor.shape, ...index)];

function closed(terms, shift, text) {
  const sum = terms.reduce((total, { weight, value }) => total + weight * value, 0);
  return { text, terms, sum, shift, lines: shift === null ? [] : [`${format(sum)} + (${format(shift)})`], value: sum + (shift ?? 0) };
}

function filter(layer, [x], [i, j, o], own) {
  const { kernel: [kh, kw], stride, dilation = [1, 1], pad, weights, bias, groups = 1 } = layer.details;
  const w = app.lesson.weight(weights).data;
  const [H, W, all] = x.shape;
  const O = layer.shape[2];
  // The channels that this output sees: its own, its group's, or all.
  const C = own ? all : all / groups;
  const first = own ? 0 : Math.floor(o / (O / groups)) * C;
  const terms = [];
  let outside = 0;
  for (let a = 0; a < kh; a += 1) {
    for (let d = 0; d < kw; d += 1) {
      const [row, column] = [i * stride[0] + a * dilation[0] - pad[0], j * stride[1] + d * dilation[1] - pad[1]];
      if (row < 0 || column < 0 || row >= H || column >= W) {
        outside += 1;
        continue;
      }
      for (let c = own ? o : first; c < (own ? o + 1 : first + C); c += 1) {
        terms.push({
          label: `row ${row}, column ${column}, channel ${c}`, at: [layer.inputs[0], [row, column, c]],
          weight: own ? w[(a * kw + d) * all + o] : w[((a * kw + d) * C + c - first) * O + o], value: x.data[at3(x.shape, row, column, c)],
        });
      }
    }
  }
  const made = closed(terms, bias ? app.lesson.weight(bias).data[o] : null, `y = Σ w · x over ${kh} × ${kw} pixels${own ? ' of this channel' : ` and ${C} channels`}`);
  if (outside) made.note = `${outside} of the ${kh * kw} pixels lie outside of the map and count as 0.`;
  return made;
}

function window_(layer, x, [i, j, k], largest) {
  const { kernel: [kh, kw], stride, pad } = layer.details;
  const terms = [];
  for (let a = 0; a < kh; a += 1) {
    for (let d = 0; d < kw; d += 1) {
      const [row, column] = [i * stride[0] + a - pad[0], j * stride[1] + d - pad[1]];
      if (row >= 0 && column >= 0 && row < x.shape[0] && column < x.shape[1]) {
        terms.push({ label: `row ${row}, column ${column}`, weight: 1, value: x.data[at3(x.shape, row, column, k)], at: [layer.inputs[0], [row, column, k]] });
      }
    }
  }
  if (!largest) for (const term of terms) term.weight = 1 / terms.length;
  const values = terms.map((term) => term.value);
  const value = largest ? Math.max(...values) : values.reduce((sum, one) => sum + one, 0) / values.length;
  return { text: largest ? `y = the largest of ${kh} × ${kw}` : `y = the mean of ${kh} × ${kw}`, terms, sum: value, total: largest ? 'largest' : 'sum', lines: [], value };
}
