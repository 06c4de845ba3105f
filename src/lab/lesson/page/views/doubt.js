// Step 12: two doubts that can be tested. Cover a part of the picture; make weights random.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { MapView } from 'lesson/map.js';
import { drawOverlay } from 'lesson/draw.js';
import { num, format } from 'lesson/inspector.js';
import { covering, score } from 'lesson/made.js';

export function doubtView(root) {
  fill(root, cover(), random());
}

function cover() {
  const side = h('input', { type: 'range', min: 5, max: 60, value: 25, 'aria-label': 'Side of the square, in per cent of the picture' });
  const square = new MapView({ title: 'move over the picture to cover a square', kind: 'grey', label: 'Picture with a covered square', readout: false, className: 'cover' });
  const result = h('div', { class: 'results' });
  const live = app.lesson.mode === 'webgpu' || app.lesson.offers?.('picture', 'own') !== false;
  const covers = (test) => () => {
    const { levels, picture } = state;
    const mask = Uint8Array.from(levels, (level) => (test(level) ? 1 : 0));
    if (levels.length === picture.width * picture.height && app.canCover()) {
      set({ covered: mask.some((one) => one) ? mask : null });
      app.refresh();
    }
  };
  const buttons = [
    h('button', { type: 'button', id: 'cover-bright', onclick: covers((level) => level > state.threshold) }, 'Cover what lies above t'),
    h('button', { type: 'button', id: 'cover-dark', onclick: covers((level) => level <= state.threshold) }, 'Cover everything else'),
    h('button', { type: 'button', id: 'cover-nothing', onclick: () => { set({ covered: null }); app.refresh(); } }, 'Cover nothing'),
  ];
  let waiting = false;
  let next = false;

  const squareMask = () => {
    const { picture, at } = state;
    const half = (Number(side.value) / 200) * Math.min(picture.width, picture.height);
    return Uint8Array.from({ length: picture.width * picture.height }, (_, i) => {
      const [x, y] = [i % picture.width, Math.floor(i / picture.width)];
      return Math.abs(x + 0.5 - at.x * picture.width) <= half && Math.abs(y + 0.5 - at.y * picture.height) <= half ? 1 : 0;
    });
  };
  const draw = (pixels) => {
    const { picture } = state;
    square.update(Uint8Array.from({ length: picture.width * picture.height }, (_, i) => pixels[4 * i]), picture.width, picture.height, [0, 255]);
    square.mark.hidden = true;
  };
  /** The scores with a square covered; no map is made, so it keeps up with the pointer. */
  const probe = async () => {
    if (!live || !app.lesson.forward) return;
    next = true;
    if (waiting) return;
    waiting = true;
    while (next) {
      next = false;
      const { picture, uncovered } = state;
      const pixels = covering(picture, squareMask());
      draw(pixels);
      try {
        const answer = await app.lesson.forward({ pixels, width: picture.width, height: picture.height, picture: null });
        if (uncovered) report(answer.logits ?? answer, 'with the square');
      } catch (error) {
        app.say(error.message, 'error');
      }
    }
    waiting = false;
  };
  const report = (logits, name) => {
    const { uncovered } = state;
    const c = uncovered.class;
    const [before, after] = [uncovered.logits[c], logits[c]];
    fill(result, h('p', { class: 'big' }, h('span', {}, `“${app.classes[c]}”, nothing covered `, num(before)), h('span', {}, `${name} `, num(after, state.covered && name !== 'with the square' ? () => score(c) : null)), h('span', {}, `change ${after >= before ? '+' : ''}${format(after - before, 3)}`)));
  };
  square.frame.addEventListener('pointermove', probe);
  square.frame.addEventListener('keydown', () => setTimeout(probe));
  side.addEventListener('input', probe);
  on(['picture'], () => draw(state.picture.pixels));
  on(['explanation'], () => {
    const { explanation, uncovered, picture, covered } = state;
    buttons[2].disabled = !covered;
    if (covered) draw(covering(picture, covered));
    if (uncovered && explanation !== uncovered && explanation.class < uncovered.logits.length) report(explanation.logits, 'covered');
    else fill(result, h('p', { class: 'note' }, live ? 'The score of the class that is explained shows here.' : 'This needs the network to run again, and so WebGPU.'));
  });
  if (!live) buttons.forEach((one) => { one.disabled = true; });
  return h('div', {}, h('h3', {}, 'Cover a part'), h('div', { class: 'row top' }, h('div', {}, square.element, h('label', { class: 'slider' }, 'side', side)), h('div', { class: 'grow' }, result, h('div', { class: 'row' }, ...buttons), h('p', { class: 'note' }, 'What is covered gets the mean grey of the picture. You can also paint the cover with the brush in step 1; then the map is made of the covered picture.'))));
}

function random() {
  const webgpu = app.lesson.mode === 'webgpu';
  const before = new MapView({ title: 'trained weights', label: 'Heatmap with trained weights', readout: false });
  const after = new MapView({ title: 'weights now', label: 'Heatmap with the weights of now', readout: false });
  const text = h('p', {});
  const layers = () => app.layers.filter((layer) => layer.parameters > 0);
  const next = h('button', { type: 'button', id: 'randomise-next', disabled: webgpu ? null : true, onclick: () => {
    const left = layers().filter(({ name }) => !state.randomised.has(name));
    if (left.length) app.randomise(left.at(-1).name);
  } }, 'One more layer, from the score backwards');
  const all = h('button', { type: 'button', id: 'randomise-all', disabled: webgpu ? null : true, onclick: () => app.randomise(...layers().map(({ name }) => name)) }, 'All layers');
  const back = h('button', { type: 'button', id: 'randomise-none', disabled: true, onclick: () => app.randomise(null) }, 'Trained weights');
  let trained = null;

  /** Random weights for layers, or the trained ones back for null. */
  app.randomise = async (...names) => {
    try {
      for (const name of names) {
        await app.lesson.randomise(name);
        if (name === null) state.randomised.clear();
        else state.randomised.add(name);
      }
      set({ randomised: state.randomised });
      await app.refresh();
    } catch (error) {
      app.say(error.message, 'error');
    }
  };
  on(['levels', 'randomised'], () => {
    const { picture, levels, randomised } = state;
    if (!levels || levels.length !== picture.width * picture.height) return;
    if (randomised.size === 0) trained = { picture, levels };
    back.disabled = randomised.size === 0;
    const same = trained?.picture === picture;
    const paint = (view, map) => view.paint((canvas) => drawOverlay(canvas, picture, map, 0.6), null, picture.width, picture.height);
    if (same) paint(before, trained.levels);
    before.element.hidden = !same;
    paint(after, levels);
    if (!webgpu) text.textContent = 'Random weights need the network to run again, and so WebGPU.';
    else if (randomised.size === 0) text.textContent = 'All weights are as training left them.';
    else text.textContent = `${randomised.size} of ${layers().length} layers are random now.${same ? ` The two maps correlate with ${format(correlation(trained.levels, levels), 2)} (1: the same, 0: unrelated).` : ''}`;
  });
  return h('div', {}, h('h3', {}, 'Random weights'), h('div', { class: 'row' }, next, all, back), text, h('div', { class: 'row top' }, before.element, after.element));
}

function correlation(a, b) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) ** 2;
    bb += (b[i] - mb) ** 2;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
