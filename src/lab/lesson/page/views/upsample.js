// Step 8: the small map resized to the picture, and the four numbers behind each pixel.

import { h, s, fill } from 'lesson/dom.js';
import { state, on } from 'lesson/state.js';
import { MapView } from 'lesson/map.js';
import { format, num } from 'lesson/inspector.js';
import { tap } from 'lesson/maths.js';
import { relu, resizedMap, summed, upsampled } from 'lesson/made.js';
import { stageKernels } from 'lesson/kernel.js';

export function upsampleView(root) {
  const up = new MapView({ title: 'resized to the picture', kind: 'heat', label: 'Resized map', make: (x, y) => upsampled(x, y) });
  const small = new MapView({ title: 'the map, and four neighbours', kind: 'heat', label: 'Map', make: (x, y) => (state.normalisation === 'relu-max' ? relu(y, x) : summed(y, x)), readout: false });
  const neighbours = s('g', {});
  const table = h('div', { class: 'scroll' });
  fill(root, h('div', { class: 'row top' }, up.element, small.element, table), stageKernels('upsample'));
  small.over.classList.add('neighbours');

  const taps = () => {
    const { explanation: e, picture } = state;
    if (!e || !picture || up.width === 0) return;
    const [height, width] = e.shape;
    const [x, y] = up.cell();
    const [row, column] = [tap(y, height, picture.height), tap(x, width, picture.width)];
    const after = state.normalisation === 'relu-max';
    const value = (i, j) => (after ? Math.max(0, e.sum[i * width + j]) : e.sum[i * width + j]);
    const four = [[row.low, column.low, (1 - row.share) * (1 - column.share)], [row.low, column.high, (1 - row.share) * column.share], [row.high, column.low, row.share * (1 - column.share)], [row.high, column.high, row.share * column.share]];
    small.over.setAttribute('viewBox', `0 0 ${width} ${height}`);
    fill(small.over, ...four.map(([i, j, weight]) => s('rect', { x: j + 0.06, y: i + 0.06, width: 0.88, height: 0.88, 'stroke-opacity': 0.35 + 0.65 * weight })),
      s('circle', { cx: Math.min(width, Math.max(0, column.at + 0.5)), cy: Math.min(height, Math.max(0, row.at + 0.5)), r: Math.max(0.12, width / 80) }));
    const total = four.reduce((sum, [i, j, weight]) => sum + weight * value(i, j), 0);
    fill(table, h('table', {}, h('caption', {}, `Pixel at row ${y}, column ${x}`),
      h('thead', {}, h('tr', {}, ...['neighbour', 'weight', 'L', 'product'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, ...four.map(([i, j, weight]) => h('tr', {}, h('th', { scope: 'row' }, `(${i}, ${j})`), h('td', {}, format(weight, 3)), h('td', {}, num(value(i, j), () => (after ? relu(i, j) : summed(i, j)))), h('td', {}, format(weight * value(i, j))))),
        h('tr', { class: 'total' }, h('th', { scope: 'row', colspan: 3 }, 'u'), h('td', {}, num(total, () => upsampled(x, y)))))),
      h('p', { class: 'note narrow' }, `The pixel's centre lies at row ${format(row.at)}, column ${format(column.at)} of the map.`));
  };
  const draw = () => {
    const { explanation: e, picture, normalisation } = state;
    if (!e || !picture) return;
    const [height, width] = e.shape;
    const after = normalisation === 'relu-max';
    small.update(after ? Float64Array.from(e.sum, (value) => Math.max(0, value)) : e.sum, width, height);
    up.update(resizedMap().up, picture.width, picture.height);
    small.mark.hidden = true;
    taps();
  };
  on(['explanation', 'normalisation'], draw);
  on(['at'], taps);
}
