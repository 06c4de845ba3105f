// Step 5: the weight of each channel as a bar, and the channel that is chosen: its map, its gradient, what it adds.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { Bars } from 'lesson/chart.js';
import { MapView } from 'lesson/map.js';
import { num, format, sym } from 'lesson/inspector.js';
import { channelOf, contribution, ordered } from 'lesson/channels.js';
import { activation, gradientAt, weight } from 'lesson/made.js';
import { METHODS } from 'lesson/text.js';
import { stageKernels } from 'lesson/kernel.js';

export function weightsView(root) {
  const bars = new Bars({ name: 'Weights of the channels', onselect: (place) => set({ channel: order[place] }) });
  const sort = h('select', { 'aria-label': 'Order of the channels', onchange: () => draw() },
    h('option', { value: 'index' }, 'by number'), h('option', { value: 'weight' }, 'by weight'), h('option', { value: 'effect' }, 'by what they add'));
  const text = h('p', { class: 'chosen' });
  const note = h('p', { class: 'note' });
  const A = new MapView({ title: 'A', kind: 'grey', label: 'Feature map', make: (x, y) => activation(state.explanation.layer, [y, x, state.channel]) });
  const g = new MapView({ title: 'g', kind: 'signed', label: 'Gradient', make: (x, y) => gradientAt(y, x, state.channel) });
  const adds = new MapView({ title: 'α A', kind: 'signed', label: 'What the channel adds', make: (x, y) => product(y, x) });
  const maps = h('div', { class: 'row top' }, A.element, h('span', { class: 'operator' }, '×'), g.element, h('span', { class: 'operator' }, '→'), adds.element);
  const box = h('div', {}, h('label', { class: 'inline' }, 'Channels ', sort), bars.element, text, maps);
  fill(root, note, box, stageKernels('mean'));
  let order = [];

  const product = (i, j) => {
    const { explanation: e, channel: k } = state;
    const p = i * e.shape[1] + j;
    const value = e.activation[p * e.shape[2] + k];
    const by = e.weights ? e.weights[k] : contribution(e)(k, p) / (value || 1);
    return { title: `What channel ${k} adds at row ${i}, column ${j}`, parts: [h('p', { class: 'formula' }, e.weights ? sym('α', 'k', 'c') : sym('g', 'ijk'), ' · ', sym('A', 'ij', 'k'), ' = ', num(by, () => (e.weights ? weight(k) : gradientAt(i, j, k))), ' · ', num(value, () => activation(e.layer, [i, j, k])), ' = ', h('b', {}, format(contribution(e)(k, p))))], note: 'One multiply-add of the weighted sum.' };
  };

  const draw = () => {
    const { explanation: e, channel } = state;
    if (!e) return;
    const [height, width, channels] = e.shape;
    const each = contribution(e);
    box.hidden = !each || !e.activation;
    note.textContent = e.method === 'gradcam' ? '' : METHODS[e.method] ?? '';
    note.hidden = note.textContent === '';
    if (box.hidden) return;
    // A method without weights of channels still has what each channel adds, over all positions.
    const heights = e.weights ?? Float64Array.from({ length: channels }, (_, k) => {
      let sum = 0;
      for (let p = 0; p < height * width; p += 1) sum += each(k, p);
      return sum / (height * width);
    });
    const numbers = Array.from({ length: channels }, (_, k) => k);
    order = sort.value === 'effect' ? ordered(e, 'effect') : sort.value === 'weight' ? numbers.sort((a, b) => heights[b] - heights[a]) : numbers;
    bars.update(order.map((k) => heights[k]), order.indexOf(channel), (place) => `channel ${order[place]}: ${format(heights[order[place]])}`);
    fill(text, `Channel ${channel}: `, e.weights ? [sym('α', channel, 'c'), ' = ', num(e.weights[channel], () => weight(channel))] : ['it adds ', num(heights[channel]), ' on average'],
      heights[channel] < 0 ? ': it speaks against the class.' : ': it speaks for the class.');
    A.title.textContent = `feature map ${channel}`;
    A.update(channelOf(e.activation, channels, channel), width, height);
    g.element.hidden = !e.gradient;
    maps.querySelectorAll('.operator')[0].hidden = !e.gradient;
    if (e.gradient) {
      g.title.textContent = e.weights ? 'its gradient; the mean is α' : 'its gradient';
      g.update(channelOf(e.gradient, channels, channel), width, height);
    }
    adds.title.textContent = 'what it adds';
    adds.update(Float64Array.from({ length: height * width }, (_, p) => each(channel, p)), width, height);
  };
  on(['explanation', 'channel'], draw);
}
