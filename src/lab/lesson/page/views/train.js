// Step 15: a training run in the tab.

import { h, s, fill } from 'lesson/dom.js';
import { app } from 'lesson/app.js';
import { Trainer } from 'lesson/trainer.js';
import { curves, legend } from 'lesson/chart.js';
import { drawOverlay, drawPixels, outline } from 'lesson/draw.js';
import { format } from 'lesson/inspector.js';
import { diceCurve, greyLevels, range } from 'lesson/maths.js';

/** Steps between two looks at the maps. */
const EVERY = 5;

export function trainView(root) {
  if (app.lesson.mode !== 'webgpu') {
    fill(root, h('p', { class: 'message note' }, 'Training needs WebGPU, which is not there: see the top of the page for how to turn it on.'));
    return;
  }
  const start = h('button', { type: 'button', class: 'primary', id: 'train-start', onclick: () => (running ? pause() : run()) }, 'Start');
  const one = h('button', { type: 'button', id: 'train-step', onclick: () => run(1) }, 'One step');
  const again = h('button', { type: 'button', id: 'train-reset', onclick: () => reset() }, 'From the beginning');
  const usual = app.data.training?.rate ?? 0.001;
  const rates = [...new Set([0.0001, 0.0003, 0.001, 0.003, 0.01, 0.1, usual])].sort((a, b) => a - b);
  const seed = h('input', { type: 'number', id: 'train-seed', min: 0, max: 9999, value: app.data.training?.seed ?? 0, onchange: () => reset() });
  const rate = h('select', { id: 'train-rate', onchange: () => trainer?.set({ rate: Number(rate.value) }) }, ...rates.map((value) => h('option', { value, selected: value === usual }, value)));
  const facts = h('p', { class: 'note', role: 'status' });
  const chart = h('div', { class: 'chart' });
  const maps = h('div', { class: 'cards' });
  fill(root, h('div', { class: 'row' }, start, one, again, h('label', {}, 'seed ', seed), h('label', {}, 'learning rate ', rate)), facts, h('div', { class: 'row top' }, chart, maps));
  let trainer = null;
  let running = false;
  let losses = [];

  const open = async () => {
    if (trainer) return;
    facts.textContent = 'Compiling the training step …';
    trainer = await Trainer.open(app.lesson.device, app.data, { seed: Number(seed.value), rate: Number(rate.value), onProgress: (done, total) => { facts.textContent = `Compiling the training step: ${done} of ${total}`; } });
  };
  const guarded = async (work) => {
    try {
      await work();
    } catch (error) {
      pause();
      trainer = null;
      app.say(`Training stopped: ${error.message}`, 'error');
      facts.textContent = 'Training stopped. Start opens it anew.';
    }
  };
  const pause = () => {
    running = false;
    start.textContent = 'Start';
  };
  const run = (most = Infinity) => guarded(async () => {
    if (running) return;
    running = true;
    start.textContent = 'Pause';
    await open();
    if (losses.length === 0) await look();
    for (let n = 0; n < most && running; n += 1) {
      const began = performance.now();
      const { step, loss, milliseconds } = await trainer.step();
      losses.push(loss);
      facts.textContent = `Step ${step}: loss ${format(loss)}. ${format(1000 / (milliseconds ?? performance.now() - began), 3)} steps a second. Each takes ${trainer.batch ?? 'a few'} pictures.`;
      if (!Number.isFinite(loss)) {
        pause();
        app.say('The loss is not a number any more: the learning rate was too high. Begin again with a smaller one.', 'error');
        break;
      }
      draw();
      if (step % EVERY === 0 || most === 1) await look();
    }
    pause();
  });
  const reset = () => guarded(async () => {
    const was = running;
    pause();
    losses = [];
    draw();
    if (trainer) {
      await trainer.reset({ seed: Number(seed.value), rate: Number(rate.value) });
      await look();
    }
    facts.textContent = was ? 'Stopped, and set back to the beginning.' : 'At the beginning.';
  });
  const draw = () => {
    const native = app.data.training?.losses;
    const own = losses.length ? losses : [];
    const shown = [{ name: 'loss in this tab', values: own, class: 'own' }];
    const same = native && Number(seed.value) === (app.data.training.seed ?? 0) && Number(rate.value) === usual;
    if (same) shown.push({ name: `the native program, ${native.length} steps`, values: native, class: 'native' });
    const last = Math.max(20, own.length - 1);
    const high = Math.max(0.8, ...[...own, ...(same ? native : [])].filter(Number.isFinite).map((value) => Math.ceil(value * 5) / 5));
    fill(chart, curves(shown, { last, high, x: 'step', y: 'loss', label: `Loss after ${own.length} steps` }), legend(shown));
  };
  const look = async () => {
    const found = await trainer.maps();
    fill(maps, ...trainer.heldOut.map((picture, i) => {
      const { map, shape, probability } = found[i];
      const { levels } = greyLevels(map, shape, [picture.height, picture.width], 'relu-max');
      const canvas = h('canvas', { role: 'img', 'aria-label': `Held-out picture ${i + 1} with its map` });
      if (range(levels)[1] > 0) drawOverlay(canvas, picture, levels, 0.55);
      else drawPixels(canvas, picture.pixels, picture.width, picture.height);
      const score = picture.outline ? `mean-Dice ${diceCurve(levels, picture.outline).meanDice.toFixed(3)}` : 'no mass';
      const edge = s('svg', { class: 'outline', viewBox: `0 0 ${picture.width} ${picture.height}`, preserveAspectRatio: 'none', 'aria-hidden': true }, picture.outline ? s('path', { d: outline(picture.outline, picture.width, picture.height) }) : null);
      return h('div', { class: 'card' }, h('div', { class: 'frame still' }, canvas, edge), h('p', { class: 'note' }, `${app.data.training?.classes?.[picture.class] ?? app.classes[picture.class] ?? ''}, p(abnormal) ${probability.toFixed(2)}, ${score}`));
    }));
  };
  draw();
  facts.textContent = 'Nothing has run yet.';
}
