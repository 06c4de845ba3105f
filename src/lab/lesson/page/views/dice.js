// Step 10: a threshold, the two masks, their overlap, Dice there, the curve over all thresholds, and their mean.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { MapView } from 'lesson/map.js';
import { curves, legend } from 'lesson/chart.js';
import { drawOverlap } from 'lesson/draw.js';
import { num, format } from 'lesson/inspector.js';
import { bestOf, histograms } from 'lesson/maths.js';
import { dice, level, meanDice } from 'lesson/made.js';
import { stageKernels } from 'lesson/kernel.js';

export function diceView(root) {
  const slider = h('input', { type: 'range', min: 0, max: 255, value: state.threshold, id: 'threshold', oninput: () => set({ threshold: Number(slider.value) }) });
  const value = h('output', { for: 'threshold' });
  const best = h('button', { type: 'button', id: 'best-threshold', onclick: () => set({ threshold: bestOf(state.scores.dice) }) }, 'Best threshold');
  const A = new MapView({ title: 'A: the true outline', kind: 'grey', label: 'True mask' });
  const B = new MapView({ title: 'B > t: the heatmap, cut', kind: 'grey', label: 'Heatmap above the threshold', make: (x, y) => compare(x, y) });
  const both = new MapView({ title: 'both together', label: 'Overlap', readout: false });
  const key = h('ul', { class: 'legend' }, ...[['both', 'in both'], ['alarm', 'only above t'], ['miss', 'only in the outline']].map(([name, text]) => h('li', {}, h('span', { class: `swatch ${name}` }), text)));
  const result = h('div', { class: 'results' });
  const chart = h('div', { class: 'chart' });
  const none = h('p', { class: 'message note' }, 'There is no true outline, so there is nothing to compare with. Draw one on the picture in step 1, or take a picture that has one.');
  const box = h('div', {}, h('div', { class: 'row' }, h('label', { class: 'slider grow' }, 'threshold t', slider, value), best), h('div', { class: 'row top' }, A.element, B.element, h('div', {}, both.element, key)), result, chart);
  fill(root, none, box, stageKernels('dice'));

  const compare = (x, y) => {
    const one = state.levels[y * state.picture.width + x];
    return { title: `Row ${y}, column ${x}`, parts: [h('p', { class: 'formula' }, 'B = ', num(one, () => level(x, y)), one > state.threshold ? ` > ${state.threshold}: above` : ` ≤ ${state.threshold}: not above`)] };
  };
  const draw = () => {
    const { truth, levels, scores, threshold: t, picture, trivial } = state;
    const there = Boolean(truth && scores && levels && levels.length === truth.length);
    none.hidden = Boolean(truth);
    box.hidden = !there;
    if (!there) return;
    slider.value = t;
    value.textContent = t;
    const { width, height } = picture;
    A.update(truth, width, height, [0, 1]);
    B.update(Uint8Array.from(levels, (one) => (one > t ? 1 : 0)), width, height, [0, 1]);
    for (const map of [A, B]) map.scaleLine.hidden = true;
    both.paint((canvas) => drawOverlap(canvas, width, height, (i) => levels[i] > t, (i) => truth[i]), null, width, height);
    const counts = histograms(levels, truth);
    fill(result,
      h('p', {}, `|A| = ${counts.size}, |B > ${t}| = ${counts.above[t]}, |A ∩ (B > ${t})| = ${counts.both[t]}`),
      h('p', { class: 'big' }, h('span', {}, `Dice at t = ${t} `, num(scores.dice[t], () => dice(t))), h('span', {}, 'mean-Dice ', num(scores.meanDice, () => meanDice()))),
      h('p', { class: 'note' }, `The best threshold is ${bestOf(scores.dice)}, with ${format(scores.dice[bestOf(scores.dice)], 3)}. To choose it one needs the true outline, so it is no fair score.`));
    const lines = [{ name: 'this map', values: scores.dice, class: 'own' }, ...trivial.map((map, i) => ({ name: map.name, values: map.scores.dice, class: `t${i}` }))];
    fill(chart, curves(lines, { last: 255, at: t, onmove: (to) => set({ threshold: to }), label: `Dice at every threshold; at ${t} it is ${format(scores.dice[t], 3)}`, ticks: [0, 64, 128, 192, 255] }), legend(lines));
  };
  on(['truth', 'levels', 'scores', 'trivial', 'threshold'], draw);
}
