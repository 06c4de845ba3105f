// Step 9: grey levels, how often each occurs, and the heatmap over the picture.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app, where } from 'lesson/app.js';
import { Bars } from 'lesson/chart.js';
import { MapView } from 'lesson/map.js';
import { drawOverlay } from 'lesson/draw.js';
import { level } from 'lesson/made.js';
import { stageKernels } from 'lesson/kernel.js';

const WAYS = {
  'relu-max': ['ReLU, resize, divide by the largest', 'level = ⌊255 · u / max u + ½⌋, with u the resized map after ReLU. This is the usual way, and the paper’s.'],
  'min-max': ['resize, stretch from smallest to largest', 'level = ⌊255 · (u − min u) / (max u − min u) + ½⌋, with u the resized signed sum. What speaks against the class is dark, and what says nothing is grey.'],
  max: ['resize, divide by the largest, cut', 'level = ⌊255 · max(0, u) / max u + ½⌋, with u the resized signed sum. ReLU comes after resizing, so edges differ.'],
};

export function levelsView(root) {
  const ways = h('fieldset', { class: 'tools wide' }, h('legend', {}, 'From the map to grey levels'), ...Object.entries(WAYS).map(([value, [name]]) => h('label', { class: 'tool' },
    h('input', { type: 'radio', name: 'way', value, onchange: () => { set({ normalisation: value }); app.refresh(); } }), name)));
  const formula = h('p', {});
  const grey = new MapView({ title: 'the heatmap: grey levels', kind: 'grey', label: 'Heatmap in grey levels', make: (x, y) => level(x, y) });
  const colour = new MapView({ title: 'over the picture', label: 'Heatmap over the picture', make: (x, y) => level(x, y) });
  const share = h('input', { type: 'range', min: 0, max: 100, value: 55, 'aria-label': 'How opaque the heatmap is', oninput: () => overlay() });
  const bars = new Bars({ name: 'How many pixels have each grey level', height: 110, onselect: (t) => set({ threshold: t }) });
  const text = h('p', { class: 'note' });
  fill(root, ways, formula, h('div', { class: 'row top' }, grey.element, h('div', {}, colour.element, h('label', { class: 'slider' }, 'opacity', share))), h('p', { class: 'charttitle' }, 'Pixels of each grey level from 1 to 255'), bars.element, text, stageKernels('levels'));

  const overlay = () => {
    const { picture, levels } = state;
    if (!levels || levels.length !== picture.width * picture.height) return;
    colour.paint((canvas) => drawOverlay(canvas, picture, levels, Number(share.value) / 100), levels, picture.width, picture.height);
  };
  on(['levels'], () => {
    const { picture, levels } = state;
    if (!levels || levels.length !== picture.width * picture.height) return;
    grey.update(levels, picture.width, picture.height, [0, 255]);
    overlay();
    const counts = new Float64Array(256);
    for (const one of levels) counts[one] += 1;
    const black = counts[0];
    counts[0] = 0;
    bars.update(counts, state.threshold, (t) => `${counts[t]} pixels have level ${t}`);
    text.textContent = `${black} of ${levels.length} pixels have level 0 and are left out of the chart. These levels were computed ${where(state.explanation.levelsWhere ?? state.explanation.where)}.`;
  });
  on(['threshold'], () => bars.mark(state.threshold));
  on(['normalisation'], () => show());
  const show = () => {
    ways.querySelector(`[value="${state.normalisation}"]`).checked = true;
    formula.textContent = WAYS[state.normalisation][1];
  };
  show();
}
