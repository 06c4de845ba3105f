// Step 4: the gradient at the chosen layer, beside the feature maps that it belongs to.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { Atlas } from 'lesson/atlas.js';
import { MapView } from 'lesson/map.js';
import { channelOf } from 'lesson/channels.js';
import { range } from 'lesson/maths.js';
import { activation, gradientAt } from 'lesson/made.js';
import { stageKernels } from 'lesson/kernel.js';

export function gradientView(root) {
  const text = h('p', {});
  const choose = (k) => set({ channel: k });
  const maps = new Atlas({ name: 'Feature maps A', onselect: choose });
  const gradients = new Atlas({ name: 'Gradients g', onselect: choose });
  const A = new MapView({ title: 'A', kind: 'grey', make: (x, y) => activation(state.explanation.layer, [y, x, state.channel]) });
  const g = new MapView({ title: 'g', kind: 'signed', make: (x, y) => gradientAt(y, x, state.channel) });
  const pair = h('div', { class: 'row top wide' },
    h('figure', { class: 'half' }, maps.element, h('figcaption', {}, 'Feature maps A', h('sup', {}, 'k'), ', each with its own scale')),
    h('figure', { class: 'half' }, gradients.element, h('figcaption', {}, 'Gradients g', h('sup', {}, 'k'), ', one scale for all: blue raises the score, orange lowers it')));
  fill(root, text, pair, h('div', { class: 'row top' }, A.element, g.element), stageKernels('gradient'));

  const draw = () => {
    const { explanation: e, channel } = state;
    if (!e) return;
    const [height, width, channels] = e.shape;
    pair.hidden = !e.activation || !e.gradient;
    A.element.hidden = !e.activation;
    g.element.hidden = !e.gradient;
    if (e.activation) {
      maps.chosen = channel;
      maps.update(e.activation, e.shape);
      A.title.textContent = `feature map ${channel}`;
      A.update(channelOf(e.activation, channels, channel), width, height);
    }
    if (!e.gradient) {
      text.textContent = e.activation ? 'This method does not use a gradient: it looks at the feature maps alone.' : 'This method takes the gradient at the picture itself, not at a layer.';
      return;
    }
    gradients.chosen = channel;
    gradients.update(e.gradient, e.shape, { kind: 'signed', common: true });
    g.title.textContent = `gradient of channel ${channel}`;
    const all = range(e.gradient);
    g.update(channelOf(e.gradient, channels, channel), width, height, all);
    const own = channelOf(e.gradient, channels, channel);
    const [least, most] = range(own);
    const flat = most - least <= 1e-6 * Math.max(Math.abs(most), Math.abs(least));
    text.textContent = flat
      ? `At ${e.layer} the gradient is the same at every position of a channel. Only a mean and a dense layer follow, and a mean treats every position alike. Choose an earlier layer, and it varies from place to place.`
      : `At ${e.layer} the gradient varies from position to position. Channel ${channel} is chosen; click another.`;
  };
  on(['explanation', 'channel'], draw);
}
