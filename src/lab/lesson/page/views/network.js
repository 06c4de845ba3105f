// Step 2: the network as a graph whose layers can be clicked, and what the chosen layer holds.

import { h, s, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { Atlas } from 'lesson/atlas.js';
import { MapView } from 'lesson/map.js';
import { num, format } from 'lesson/inspector.js';
import { channelOf } from 'lesson/channels.js';
import { activation } from 'lesson/made.js';
import { describe, family, FAMILIES, short, shapeText } from 'lesson/text.js';
import { layerKernels } from 'lesson/kernel.js';

export function networkView(root) {
  const boxes = new Map();
  const list = h('ol', { class: 'graph', 'aria-label': 'Layers, from the picture to the scores' });
  const arcs = s('svg', { class: 'arcs', 'aria-hidden': true });
  for (const layer of app.layers) {
    const [height, , channels] = layer.shape.length === 3 ? layer.shape : [0, 0, layer.shape[0]];
    const button = h('button', {
      type: 'button', class: `layer ${family(layer)}`, title: `${layer.name}: ${shapeText(layer.shape)}`, 'data-layer': layer.name,
      'aria-label': `${layer.name}, ${short(layer)}, ${shapeText(layer.shape)}`,
      style: { height: `${52 + (height ? 12 * Math.log2(height) : 0)}px`, width: `${18 + Math.min(12, 1.5 * Math.log2(channels))}px` },
      onclick: () => set({ shown: layer.name }),
    }, h('span', {}, short(layer)));
    boxes.set(layer.name, button);
    list.append(h('li', {}, button));
  }
  list.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const all = [...boxes.values()];
    const next = all[all.indexOf(document.activeElement) + step];
    if (!step || !next) return;
    event.preventDefault();
    next.focus();
    next.click();
  });
  const graph = h('div', { class: 'scroll graphbox' }, arcs, list);
  const legend = h('ul', { class: 'legend families' }, ...Object.entries(FAMILIES).map(([name, text]) => h('li', {}, h('span', { class: `swatch ${name}` }), text)),
    h('li', {}, h('span', { class: 'swatch explained' }), 'the layer whose map is made'));
  const count = h('p', { class: 'note' }, `${app.layers.length} layers, from the picture on the left to the scores on the right; the row can be scrolled. A curve is a shortcut past some layers.`);
  const panel = layerPanel();
  fill(root, graph, legend, count, panel.element);

  /** Shortcuts: inputs that are not the layer just before. */
  const drawArcs = () => {
    const box = list.getBoundingClientRect();
    if (box.width === 0) return;
    arcs.setAttribute('width', list.scrollWidth);
    arcs.setAttribute('height', box.height);
    const middle = (name) => {
      const own = boxes.get(name).getBoundingClientRect();
      return [own.left - box.left + own.width / 2, own.top - box.top];
    };
    const paths = [];
    app.layers.forEach((layer, n) => {
      for (const input of layer.inputs) {
        if (app.layers[n - 1]?.name === input || !boxes.has(input)) continue;
        const [[x1, y1], [x2, y2]] = [middle(input), middle(layer.name)];
        const top = Math.min(y1, y2) - 10 - Math.min(24, (x2 - x1) / 8);
        paths.push(s('path', { d: `M${x1} ${y1}C${x1} ${top} ${x2} ${top} ${x2} ${y2}` }));
      }
    });
    fill(arcs, paths);
  };
  new ResizeObserver(drawArcs).observe(list);

  const mark = () => {
    for (const [name, button] of boxes) {
      button.setAttribute('aria-pressed', String(name === state.shown));
      button.classList.toggle('explained', name === state.layer);
      button.classList.toggle('random', state.randomised.has(name));
    }
  };
  on(['shown', 'layer', 'randomised'], mark);
  mark();
}

function layerPanel() {
  const title = h('h3', {});
  const facts = h('p', {});
  const note = h('p', { class: 'note' });
  const actions = h('div', { class: 'row' });
  const common = h('input', { type: 'checkbox', onchange: () => draw() });
  const all = h('button', { type: 'button', onclick: () => { count = Infinity; draw(); } });
  const atlas = new Atlas({ name: 'Feature maps', onselect: (k) => { channel = k; one(); } });
  const map = new MapView({ title: '', kind: 'grey', label: 'Feature map', make: (x, y) => activation(state.shown, [y, x, channel]) });
  const vector = h('div', {});
  const kernels = h('div', {});
  const element = h('div', { class: 'card', id: 'layer-panel' }, title, facts, note, actions, vector,
    h('div', { class: 'atlasrow', hidden: true }, h('div', { class: 'grow' }, atlas.element, h('div', { class: 'row tight' }, h('label', {}, common, ' one scale for all'), all)), map.element), kernels);
  let tensor = null;
  let layer = null;
  let channel = 0;
  let count = 64;

  const one = () => {
    if (tensor?.shape.length !== 3) return;
    map.title.textContent = `channel ${channel}`;
    map.update(channelOf(tensor.data, tensor.shape[2], channel), tensor.shape[1], tensor.shape[0]);
  };
  const draw = () => {
    const maps = tensor?.shape.length === 3;
    element.querySelector('.atlasrow').hidden = !maps;
    vector.hidden = !tensor || maps;
    note.hidden = tensor !== null;
    if (!tensor) return;
    if (!maps) {
      const shown = Array.from(tensor.data.slice(0, count));
      fill(vector, h('p', { class: 'values' }, ...shown.map((value, k) => h('span', {}, h('small', {}, app.classes.length === tensor.data.length ? app.classes[k] : k), ' ', num(value, () => activation(layer.name, [k]), { digits: 3 })))),
        tensor.data.length > count ? h('p', { class: 'note' }, `${tensor.data.length - count} more`) : null);
      return;
    }
    const channels = tensor.shape[2];
    all.hidden = channels <= count;
    all.textContent = `Show all ${channels}`;
    channel = Math.min(channel, channels - 1);
    atlas.chosen = channel;
    atlas.update(tensor.data, tensor.shape, { common: common.checked, count, kind: 'grey' });
    one();
  };
  let asked = 0;
  const load = async () => {
    layer = app.layers.find(({ name }) => name === state.shown) ?? app.layers[0];
    const mine = (asked += 1);
    title.textContent = layer.name;
    fill(facts, h('b', {}, shapeText(layer.shape)), layer.shape.length === 3 ? ' (rows × columns × channels). ' : ' numbers. ', describe(layer), layer.parameters ? ` It has ${layer.parameters.toLocaleString('en')} learned numbers.` : '');
    fill(actions, ...buttons(layer));
    fill(kernels, layerKernels(layer));
    note.textContent = 'The feature maps are being read …';
    if (!state.explanation) return;
    const { explanation: e } = state;
    let found = layer.name === e.layer && e.activation ? { data: e.activation, shape: e.shape } : null;
    try {
      found ??= await app.lesson.activationOf(layer.name);
    } catch (error) {
      note.textContent = error.message;
    }
    if (mine !== asked) return;
    tensor = found?.data ? found : null;
    draw();
  };
  on(['shown'], () => { count = 64; load(); });
  on(['explanation', 'randomised'], load);
  return { element };
}

function buttons(layer) {
  const explain = layer.explainable && layer.name !== state.layer && app.lesson.offers?.('layer', layer.name) !== false
    ? h('button', { type: 'button', onclick: () => { set({ layer: layer.name }); app.refresh(); } }, 'Explain at this layer') : null;
  const random = layer.parameters > 0 && app.lesson.mode === 'webgpu'
    ? h('button', { type: 'button', class: 'randomise', onclick: () => app.randomise(layer.name) }, state.randomised.has(layer.name) ? 'New random weights' : 'Make its weights random') : null;
  return [explain, random, layer.name === state.layer ? h('span', { class: 'note' }, 'The map is made at this layer.') : null];
}
