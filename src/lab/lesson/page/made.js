// How each number of the page was made: its formula, with the values in it.
//
// Every function returns {title, parts, note?} for the inspector. A value in a formula is a number of the page
// itself, so the chain goes from mean-Dice down to one multiply-add of one pixel.

import { h } from 'lesson/dom.js';
import { state } from 'lesson/state.js';
import { num, line, sym, sumTable, format } from 'lesson/inspector.js';
import { channelOf, contribution } from 'lesson/channels.js';
import { greyOf } from 'lesson/input.js';
import { greyLevels, histograms, tap } from 'lesson/maths.js';
import { app } from 'lesson/app.js';
import { trace } from 'lesson/trace.js';

const e = () => state.explanation;
const size = () => e().shape;
const picture = () => state.picture;

/** The resized map of the picture, in double precision, for the normalisation that is chosen. */
let kept = {};
export function resizedMap() {
  const key = [e(), state.normalisation];
  if (!kept.key || kept.key.some((value, i) => value !== key[i])) {
    kept = { key, ...greyLevels(e().sum, size().slice(0, 2), [picture().height, picture().width], state.normalisation) };
  }
  return kept;
}

export const meanDice = (scores = state.scores, name = 'the map') => ({
  title: `Mean-Dice of ${name}`,
  parts: [
    line('mean-Dice = (Dice(0) + Dice(1) + … + Dice(255)) / 256'),
    line('= (', ...[0, 1].flatMap((t) => [num(scores.dice[t], name === 'the map' ? () => dice(t) : null), ' + ']), '… + ', num(scores.dice[255], name === 'the map' ? () => dice(255) : null), ') / 256'),
    line('= ', format(scores.dice.reduce((sum, value) => sum + value, 0), 6), ' / 256 = ', h('b', {}, format(scores.meanDice))),
  ],
  note: 'At t = 255 no level lies above the threshold, so that Dice is 0 and a perfect map has 255/256 = 0.996.',
});

export function dice(t, levels = state.levels) {
  const { size: truth, both, above } = histograms(levels, state.truth);
  return {
    title: `Dice at t = ${t}`,
    parts: [
      line('Dice(A, B > t) = 2 |A ∩ (B > t)| / (|A| + |B > t|)'),
      line(`= 2 · ${both[t]} / (${truth} + ${above[t]}) = `, h('b', {}, format(truth + above[t] ? (2 * both[t]) / (truth + above[t]) : 0))),
      h('ul', {},
        h('li', {}, `${truth} pixels lie in the true outline A.`),
        h('li', {}, `${above[t]} pixels of the heatmap have a level above ${t}.`),
        h('li', {}, `${both[t]} pixels are in both.`)),
    ],
  };
}

export function level(x, y) {
  const { up, least, most } = resizedMap();
  const value = up[y * picture().width + x];
  const span = most - least;
  const raw = span > 0 ? (255 * Math.max(0, value - least)) / span : 0;
  const low = state.normalisation === 'min-max';
  return {
    title: `Grey level at row ${y}, column ${x}`,
    parts: [
      line(low ? 'level = ⌊255 · (u − min u) / (max u − min u) + ½⌋' : 'level = ⌊255 · max(0, u) / max u + ½⌋'),
      line('= ⌊255 · ', low ? ['(', num(value, () => upsampled(x, y)), ' − ', format(least), ')'] : num(value, () => upsampled(x, y)), ' / ', low ? `(${format(most)} − ${format(least)})` : format(most), ' + ½⌋'),
      line(`= ⌊${format(raw, 6)} + ½⌋ = `, h('b', {}, String(Math.floor(raw + 0.5)))),
    ],
    note: `u is the resized map. Its largest value anywhere in the picture is ${format(most)}.`,
  };
}

export function upsampled(x, y) {
  const [height, width] = size();
  const [row, column] = [tap(y, height, picture().height), tap(x, width, picture().width)];
  const after = state.normalisation === 'relu-max';
  const sum = e().sum;
  const at = (i, j) => (after ? Math.max(0, sum[i * width + j]) : sum[i * width + j]);
  const corners = [
    [row.low, column.low, (1 - row.share) * (1 - column.share)], [row.low, column.high, (1 - row.share) * column.share],
    [row.high, column.low, row.share * (1 - column.share)], [row.high, column.high, row.share * column.share],
  ];
  const terms = corners.map(([i, j, weight]) => ({ label: `row ${i}, column ${j}`, weight, value: at(i, j), make: () => (after ? relu(i, j) : summed(i, j)) }));
  return {
    title: `Resized map at row ${y}, column ${x}`,
    parts: [
      line(`row: (${y} + ½) · ${height}/${picture().height} − ½ = ${format(row.at)}`),
      line(`column: (${x} + ½) · ${width}/${picture().width} − ½ = ${format(column.at)}`),
      sumTable(terms, { names: ['neighbour', 'weight', 'L', 'product'] }),
    ],
    note: 'A pixel lies between four numbers of the map. The nearer one weighs more. Beyond the edge the edge is repeated.',
  };
}

export function relu(i, j) {
  const value = e().sum[i * size()[1] + j];
  return {
    title: `L at row ${i}, column ${j}`,
    parts: [line('L', h('sub', {}, 'ij'), ' = max(0, S', h('sub', {}, 'ij'), ') = max(0, ', num(value, () => summed(i, j)), ') = ', h('b', {}, format(Math.max(0, value))))],
    note: value < 0 ? 'The sum is negative here: what is there speaks against the class. ReLU sets it to 0.' : null,
  };
}

export function summed(i, j) {
  const [, width, channels] = size();
  const p = i * width + j;
  const adds = contribution(e());
  const title = `Weighted sum at row ${i}, column ${j}`;
  if (!adds) return { title, parts: [line('S = ', h('b', {}, format(e().sum[p])))], note: methodNote() };
  const A = e().activation;
  const { weights, gradient, method } = e();
  const terms = Array.from({ length: channels }, (_, k) => ({
    label: `k = ${k}`, value: A[p * channels + k],
    weight: weights ? weights[k] : method === 'activation' ? 1 / channels : method === 'layercam' ? Math.max(0, gradient[p * channels + k]) : gradient[p * channels + k],
    make: () => activation(e().layer, [i, j, k]), makeWeight: weights ? () => weight(k) : gradient ? () => gradientAt(i, j, k) : null,
  }));
  return {
    title,
    parts: [line('S', h('sub', {}, 'ij'), ' = Σ', h('sub', {}, 'k'), ' ', weights ? sym('α', 'k', 'c') : sym('g', 'ijk'), ' · ', sym('A', 'ij', 'k'), ` over ${channels} channels`),
      sumTable(terms, { names: ['channel', weights ? 'α' : 'weight', 'A', 'α A'], total: e().sum[p] })],
    note: 'One row is one multiply-add: what the kernel does once for each channel.',
  };
}

export function weight(k) {
  const [height, width, channels] = size();
  const { gradient, weights, method } = e();
  if (method !== 'gradcam' || !gradient) return { title: `Weight of channel ${k}`, parts: [line(h('b', {}, format(weights?.[k])))], note: methodNote() };
  const g = channelOf(gradient, channels, k);
  const total = g.reduce((sum, value) => sum + value, 0);
  const same = g.every((value) => Math.abs(value - g[0]) <= 1e-6 * Math.abs(g[0]));
  const shown = same ? 3 : 6;
  return {
    title: `Weight of channel ${k}`,
    parts: [
      line(sym('α', 'k', 'c'), ' = (1/Z) Σ', h('sub', {}, 'ij'), ' ∂', sym('y', null, 'c'), '/∂', sym('A', 'ij', 'k')),
      line(`= (1/${height * width}) · (`, ...Array.from(g.slice(0, shown)).flatMap((value, p) => [num(value, () => gradientAt(Math.floor(p / width), p % width, k)), ' + ']), `… ${height * width - shown} more)`),
      line(`= ${format(total)} / ${height * width} = `, h('b', {}, format(weights[k]))),
    ],
    note: same ? 'All gradients of this channel are equal: only a mean and a dense layer lie between A and the score, and a mean treats every position alike.' : null,
  };
}

export function gradientAt(i, j, k) {
  const [height, width, channels] = size();
  const value = e().gradient[(i * width + j) * channels + k];
  const dense = headWeight(k);
  const closed = dense !== null && Math.abs(dense / (height * width) - Math.abs(value) * Math.sign(value * dense)) <= 1e-4 * Math.abs(value) + 1e-9;
  return {
    title: `Gradient at row ${i}, column ${j}, channel ${k}`,
    parts: [
      line('∂', sym('y', null, 'c'), '/∂', sym('A', 'ij', 'k'), ' = ', closed ? `${value * dense < 0 ? '−' : ''}w / Z = ${format(value * dense < 0 ? -dense : dense)} / ${height * width} = ` : '', h('b', {}, format(value))),
      closed ? h('p', {}, 'w is the weight of this channel in the dense layer, and Z the number of positions that the mean runs over: only these two lie between A and the score.') : h('p', {}, 'The chain rule runs backwards from the score through every layer behind A. The kernels of that pass stand below.'),
    ],
    note: `If A at this place rose by 0.1, y would change by about ${format(0.1 * value)}.`,
  };
}

/** The dense layer's weight of channel k for the class, where a mean and a dense layer follow A directly. */
export function headWeight(k) {
  const mean = app.layers.find((layer) => layer.inputs[0] === e().layer && layer.details?.kind === 'global_average_pool');
  const dense = mean && app.layers.find((layer) => layer.details?.kind === 'dense' && behind(mean.name).has(layer.name));
  if (!dense) return null;
  const w = app.lesson.weight?.(dense.details.weights);
  return w ? w.data[k * w.shape.at(-1) + e().class] : null;
}

function behind(name) {
  const found = new Set();
  for (const layer of app.layers) if (layer.inputs.some((input) => input === name || found.has(input))) found.add(layer.name);
  return found;
}

/** A number of a feature map: the multiply-adds of the layer that made it. `index`: [row, column, channel] or [channel]. */
export async function activation(layer, index) {
  const title = `${layer} at ${index.length === 1 ? `channel ${index[0]}` : `row ${index[0]}, column ${index[1]}, channel ${index[2]}`}`;
  const first = app.layers.find((one) => one.name === layer);
  if (first && first.inputs.length === 0) return networkInput(index);
  const made = await trace(layer, index).catch(() => null);
  if (!made) {
    const own = layer === e().layer && e().activation ? e().activation[(index[0] * size()[1] + index[1]) * size()[2] + index[2]] : null;
    return { title, parts: [own === null ? null : line('A = ', h('b', {}, format(own)))], note: 'The numbers that this one was made of are not known here: the layers before it are not recorded.' };
  }
  return {
    title,
    parts: [line(made.text), sumTable(made.terms.map(follow), { names: ['input', 'weight', 'value', 'product'], total: made.sum, totalName: made.total }), ...made.lines.map((text) => line(text)), line('= ', h('b', {}, format(made.value)))],
    note: made.note ?? null,
  };
}

const follow = (term) => ({ ...term, make: term.at ? () => activation(...term.at) : null });

function networkInput([i, j, k]) {
  const { input: [H, W, C], order, affine } = app.data.network;
  const value = e().input?.[(i * W + j) * C + (k ?? 0)];
  const [height, width] = [picture().height, picture().width];
  const [row, column] = [tap(i, height, H), tap(j, width, W)];
  // The picture as it was given to the network, covered parts and all.
  const pixels = state.covered ? covering(picture(), state.covered) : picture().pixels;
  const plane = order === 'bgr' ? 2 - k : k;
  const level = (y, x) => (order === 'rgb' || order === 'bgr' ? pixels[4 * (y * width + x) + plane] : greyOf(pixels, y * width + x));
  const corners = [[row.low, column.low, (1 - row.share) * (1 - column.share)], [row.low, column.high, (1 - row.share) * column.share], [row.high, column.low, row.share * (1 - column.share)], [row.high, column.high, row.share * column.share]];
  const mixed = corners.reduce((sum, [y, x, weight]) => sum + weight * level(y, x), 0);
  const [factor, summand] = affine?.[k ?? 0] ?? [1 / 127.5, -1];
  return {
    title: `Input at row ${i}, column ${j}`,
    parts: [
      line(`The picture's ${height} × ${width} pixels are resized to ${H} × ${W}:`),
      sumTable(corners.map(([y, x, weight]) => ({ label: `pixel at row ${y}, column ${x}`, weight, value: level(y, x) })), { names: ['pixel', 'weight', 'grey level', 'product'] }),
      line(app.data.network.scaling === 'tf' ? `x = level / 127.5 − 1 = ${format(mixed)} / 127.5 − 1 = ` : `x = ${format(factor)} · level + (${format(summand)}) = `, h('b', {}, format(value ?? factor * mixed + summand))),
    ],
  };
}

/** The picture where some of it is covered with its mean grey. */
export function covering(from, covered) {
  const pixels = new Uint8ClampedArray(from.pixels);
  let sum = 0;
  for (let i = 0; i < pixels.length / 4; i += 1) sum += greyOf(pixels, i);
  const mean = Math.round(sum / (pixels.length / 4));
  for (let i = 0; i < covered.length; i += 1) if (covered[i]) pixels.set([mean, mean, mean], 4 * i);
  return pixels;
}

export async function score(c) {
  const { logits } = e();
  const dense = app.layers.findLast((layer) => layer.details?.kind === 'dense');
  const made = dense ? await trace(dense.name, [c]).catch(() => null) : null;
  return {
    title: `Score of “${app.classes[c]}”`,
    parts: [
      line(sym('y', null, 'c'), ' = Σ', h('sub', {}, 'k'), ' ', sym('w', 'k', 'c'), ' · mean(', sym('A', null, 'k'), ') + ', sym('b', null, 'c')),
      made ? sumTable(made.terms.map(follow), { names: ['channel', 'w', 'mean of A', 'product'], total: made.sum }) : null,
      ...(made?.lines ?? []).map((text) => line(text)),
      line('= ', h('b', {}, format(logits[c]))),
    ],
    note: made ? null : 'The layers before the score are not recorded for this picture.',
  };
}

export function probability(c) {
  const { logits, probabilities } = e();
  if (logits.length === 1) return { title: 'Probability', parts: [line('p = 1 / (1 + exp(−y)) = 1 / (1 + exp(', format(-logits[0]), ')) = ', h('b', {}, format(probabilities[0])))] };
  const most = Math.max(...logits);
  return {
    title: `Probability of “${app.classes[c]}”`,
    parts: [
      line('p', h('sub', {}, 'c'), ' = exp(', sym('y', null, 'c'), ') / Σ', h('sub', {}, 'd'), ' exp(', sym('y', null, 'd'), ')'),
      line(`= exp(${format(logits[c])}) / (${Array.from(logits).slice(0, 4).map((y) => `exp(${format(y)})`).join(' + ')}${logits.length > 4 ? ' + …' : ''}) = `, h('b', {}, format(Math.exp(logits[c] - most) / logits.reduce((sum, y) => sum + Math.exp(y - most), 0), 6))),
    ],
    note: 'Grad-CAM explains the score y and not the probability. Where the network is sure, the probability hardly changes, and its gradient is almost 0.',
  };
}

function methodNote() {
  return app.methods.find(({ name }) => name === e().method)?.about ?? 'This method has no weights of channels.';
}
