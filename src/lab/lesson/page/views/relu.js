// Step 7: the sum before and after ReLU.

import { h, fill } from 'lesson/dom.js';
import { state, on } from 'lesson/state.js';
import { MapView } from 'lesson/map.js';
import { range } from 'lesson/maths.js';
import { relu, summed } from 'lesson/made.js';
import { stageKernels } from 'lesson/kernel.js';

export function reluView(root) {
  const before = new MapView({ title: 'S, before', kind: 'signed', label: 'Weighted sum', make: (x, y) => summed(y, x) });
  const after = new MapView({ title: 'L, after', kind: 'heat', label: 'Map after ReLU', make: (x, y) => relu(y, x) });
  const text = h('p', {});
  fill(root, h('div', { class: 'row top' }, before.element, h('span', { class: 'operator' }, '→'), after.element), text, stageKernels('relu'));
  on(['explanation', 'normalisation'], () => {
    const { explanation: e, normalisation } = state;
    if (!e) return;
    const [height, width] = e.shape;
    before.update(e.sum, width, height);
    after.update(Float64Array.from(e.sum, (value) => Math.max(0, value)), width, height, [0, Math.max(0, range(e.sum)[1])]);
    const negative = e.sum.reduce((count, value) => count + (value < 0 ? 1 : 0), 0);
    text.textContent = `${negative} of ${e.sum.length} positions are negative and become 0.`
      + (normalisation === 'relu-max' ? '' : ' With the way to make grey levels that is chosen now, ReLU is not applied here, but the signed sum is resized.')
      + (negative === e.sum.length ? ' Nothing speaks for this class, so the map is black.' : '');
  });
}
