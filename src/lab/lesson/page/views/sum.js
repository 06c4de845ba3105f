// Step 6: the weighted sum, channel by channel, and written out at one position.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { MapView } from 'lesson/map.js';
import { num, format } from 'lesson/inspector.js';
import { contribution, ordered, partialSum } from 'lesson/channels.js';
import { range } from 'lesson/maths.js';
import { activation, gradientAt, summed, weight } from 'lesson/made.js';
import { stageKernels } from 'lesson/kernel.js';

export function sumView(root) {
  const slider = h('input', { type: 'range', min: 0, max: 1, value: 1, id: 'sum-count', oninput: () => set({ count: Number(slider.value) }) });
  const text = h('output', { for: 'sum-count' });
  const sort = h('select', { 'aria-label': 'Order', onchange: () => set({ order: sort.value }) }, h('option', { value: 'effect' }, 'those that add most first'), h('option', { value: 'index' }, 'by number'));
  const play = h('button', { type: 'button', onclick: () => (timer ? stop() : start()) }, 'Play');
  const map = new MapView({ title: 'the sum so far', kind: 'signed', label: 'Weighted sum so far', make: (x, y) => soFar(y, x) });
  const whole = new MapView({ title: 'all channels: S', kind: 'signed', label: 'Weighted sum of all channels', make: (x, y) => summed(y, x) });
  const table = h('div', { class: 'scroll terms' });
  const none = h('p', { class: 'note' });
  const box = h('div', {}, h('div', { class: 'row' }, h('label', { class: 'slider' }, 'channels', slider, text), play, sort), h('div', { class: 'row top' }, map.element, whole.element, table));
  fill(root, none, box, stageKernels('sum'));
  let timer = null;
  let order = [];

  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = 'Play';
  };
  const start = () => {
    if (state.count >= order.length) set({ count: 0 });
    play.textContent = 'Stop';
    // Who wants no motion gets a few large steps.
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    timer = setInterval(() => {
      const next = Math.min(order.length, calm ? state.count + Math.ceil(order.length / 8) : Math.max(state.count + 1, Math.ceil(state.count * 1.06)));
      set({ count: next });
      if (next >= order.length) stop();
    }, calm ? 900 : 70);
  };
  const soFar = (i, j) => {
    const { explanation: e, count } = state;
    const p = i * e.shape[1] + j;
    const each = contribution(e);
    return { title: `The first ${count} channels at row ${i}, column ${j}`, parts: [h('p', { class: 'formula' }, 'Σ of the first ', String(count), ' products = ', h('b', {}, format(order.slice(0, count).reduce((sum, k) => sum + each(k, p), 0)))), h('p', {}, 'With all channels it is ', num(e.sum[p], () => summed(i, j)), '.')] };
  };

  const draw = () => {
    const { explanation: e, count } = state;
    if (!e) return;
    const [height, width, channels] = e.shape;
    const each = contribution(e);
    box.hidden = !each;
    none.hidden = Boolean(each);
    none.textContent = 'This method makes its map in one piece: no sum over channels stands behind it. Grad-CAM, HiResCAM and LayerCAM have one.';
    whole.update(e.sum, width, height);
    if (!each) return;
    order = ordered(e, state.order);
    slider.max = channels;
    slider.value = count;
    slider.setAttribute('aria-valuetext', `${count} of ${channels} channels`);
    text.textContent = `${count} of ${channels}`;
    // One scale for all steps, or the growth could not be seen.
    const reach = Math.max(...range(e.sum).map(Math.abs)) || 1;
    map.update(partialSum(e, order, count), width, height, [-reach, reach]);
    whole.update(e.sum, width, height, [-reach, reach]);
    terms();
  };
  const terms = () => {
    const { explanation: e, count } = state;
    if (!e || !contribution(e)) return;
    const [x, y] = whole.cell();
    const p = y * e.shape[1] + x;
    const each = contribution(e);
    let sum = 0;
    const rows = order.slice(0, 8).map((k, place) => {
      sum += each(k, p);
      const value = e.activation[p * e.shape[2] + k];
      return h('tr', { class: place < count ? null : 'off' }, h('th', { scope: 'row' }, k), h('td', {}, e.weights ? num(e.weights[k], () => weight(k)) : num(value ? each(k, p) / value : 0, e.gradient ? () => gradientAt(y, x, k) : null)),
        h('td', {}, num(value, () => activation(e.layer, [y, x, k]))), h('td', {}, format(each(k, p))), h('td', {}, format(sum)));
    });
    const rest = order.length - rows.length;
    fill(table, h('table', {}, h('caption', {}, `Row ${y}, column ${x}, written out`),
      h('thead', {}, h('tr', {}, ...['k', e.weights ? 'α' : 'weight', 'A', 'α A', 'sum so far'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, rows, rest > 0 ? h('tr', {}, h('th', { scope: 'row', colspan: 3 }, `${rest} more channels`), h('td', {}, format(e.sum[p] - sum)), h('td', {}, num(e.sum[p], () => summed(y, x)))) : null)));
  };
  on(['explanation', 'count', 'order'], draw);
  on(['at'], terms);
}
