// What kernels compute that were edited or exchanged, against values that they had no part in.

import { state } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { recordedOf } from 'lesson/recorded.js';
import { ENDS_IN_RELU, METHODS, diceCurve, greyLevels, relu } from 'lesson/maths.js';

/** Why there are no recorded values for what is explained now, in words; null where there are. */
function missing({ layer, method }) {
  if (state.picture.own) return 'this picture is your own';
  if (state.covered) return 'a part of the picture is covered';
  if (state.randomised.size > 0) return 'some weights are random';
  if (!METHODS[method]) return `${method} is not of one layer`;
  if (layer !== app.lesson.layer) return `they are of the layer ${app.lesson.layer}`;
  return null;
}

/**
 * What the explanation that is shown should be: `{from, text, values}`. From 'recorded': scores, feature maps and gradient are the
 * native program's, and what follows from them is computed in JavaScript. From 'kernels': a run of the kernels as they came.
 */
export async function expected() {
  const { explanation: e, picture } = state;
  let why = missing(e);
  const recorded = why ? null : await recordedOf(app.lesson, { picture: picture.id, class: e.class, sign: e.sign });
  if (recorded) {
    const { weights, sum } = METHODS[e.method](recorded.activation, recorded.gradient, e.shape, e.sign);
    const { up, levels } = greyLevels(sum, e.shape, [e.height, e.width], e.normalisation);
    return {
      from: 'recorded', values: { ...recorded, weights, sum, map: ENDS_IN_RELU.has(e.method) ? relu(sum) : sum, up, levels },
      text: 'The reference: scores, feature maps and gradient that the native program recorded for this picture, and what follows from them by plain JavaScript in double precision.',
    };
  }
  why ??= 'this picture has none for this class';
  const values = await app.lesson.explain({ ...app.request(), class: e.class }, { original: true });
  return { from: 'kernels', values, text: `The reference: a run of the kernels as they came. Recorded values cannot be used, since ${why}.` };
}

const PARTS = { logits: 'scores', activation: 'feature maps A', gradient: 'gradient g', weights: 'weights α', sum: 'sum S', map: 'map L', up: 'resized map', levels: 'grey levels' };

/**
 * Compares the explanation that is shown: `{from, text, good, worst, rows: [{name, most, largest, fine}]}`; `most` is the largest difference, and
 * `worst` the largest over the largest value.
 */
export async function verify() {
  const { from, text, values } = await expected();
  const { explanation: e, truth, levels } = state;
  const rows = Object.entries(PARTS).filter(([key]) => values[key] && e[key])
    .map(([key, name]) => row(name, values[key], e[key], key === 'levels' ? 1 : null));
  if (truth && levels?.length === truth.length) {
    // Of the grey levels as they are: one that differs by 1 moves a pixel across one threshold.
    rows.push(row('Dice, 256 thresholds', diceCurve(levels, truth).dice, (await app.lesson.dice(levels, truth)).dice));
  }
  const worst = rows.filter(({ whole }) => !whole).reduce((most, one) => Math.max(most, one.most === 0 ? 0 : one.most / one.largest), 0);
  return { from, text, rows, worst, good: rows.every(({ fine }) => fine) };
}

/** `allowed`: the largest difference of whole numbers. */
function row(name, right, own, allowed = null) {
  let [most, largest] = [right.length === own.length ? 0 : Infinity, 0];
  for (let i = 0; i < right.length; i += 1) {
    const off = Math.abs(right[i] - own[i]);
    most = Number.isFinite(off) ? Math.max(most, off) : Infinity;
    largest = Math.max(largest, Math.abs(right[i]));
  }
  return { name, most, largest, whole: allowed !== null, fine: most <= (allowed ?? 1e-4 * largest + 1e-12) };
}
