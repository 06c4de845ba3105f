// Opens the lesson, and computes again whenever something changes that the numbers depend on.

import { h, find, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app, where } from 'lesson/app.js';
import { openLesson } from 'lesson/compute.js';
import { diceCurve, greyLevels } from 'lesson/maths.js';
import { ordered } from 'lesson/channels.js';
import { trivialMaps } from 'lesson/trivial.js';
import { TURN_ON } from 'lesson/text.js';
import { format } from 'lesson/inspector.js';
import { controls } from 'lesson/views/controls.js';
import { covering } from 'lesson/made.js';
import { openIncluded, pictureView } from 'lesson/views/picture.js';
import { heroView } from 'lesson/views/hero.js';
import { networkView } from 'lesson/views/network.js';
import { scoreView } from 'lesson/views/score.js';
import { gradientView } from 'lesson/views/gradient.js';
import { weightsView } from 'lesson/views/weights.js';
import { sumView } from 'lesson/views/sum.js';
import { reluView } from 'lesson/views/relu.js';
import { upsampleView } from 'lesson/views/upsample.js';
import { levelsView } from 'lesson/views/levels.js';
import { diceView } from 'lesson/views/dice.js';
import { trivialView } from 'lesson/views/trivial.js';
import { doubtView } from 'lesson/views/doubt.js';
import { kernelsView } from 'lesson/views/kernels.js';
import { exercisesView } from 'lesson/views/exercises.js';
import { trainView } from 'lesson/views/train.js';
import { benchView } from 'lesson/views/bench.js';

const VIEWS = {
  hero: heroView, picture: pictureView, network: networkView, score: scoreView, gradient: gradientView, weights: weightsView, sum: sumView,
  relu: reluView, upsample: upsampleView, levels: levelsView, dice: diceView, trivial: trivialView, doubt: doubtView,
  kernels: kernelsView, exercises: exercisesView, train: trainView, bench: benchView,
};

app.say = (text, kind = 'note') => {
  const box = h('p', { class: `message ${kind}` }, text, h('button', { type: 'button', 'aria-label': 'Close', onclick: () => box.remove() }, '×'));
  // One sentence of a kind at a time: the newest says how things are.
  find('messages').querySelectorAll(`.${kind}`).forEach((old) => old.remove());
  find('messages').append(box);
  // What is no error is read and goes.
  if (kind !== 'error') setTimeout(() => box.remove(), 15_000);
};

/** What `lesson.explain` is asked. */
app.request = () => {
  const { picture } = state;
  const changed = state.covered;
  return {
    pixels: changed ? covering(picture, state.covered) : picture.pixels, width: picture.width, height: picture.height,
    picture: changed || picture.own ? null : picture.id,
    class: state.class, sign: state.sign, layer: state.layer, method: state.method, normalisation: state.normalisation,
  };
};

/** What the numbers are of; `good` is what they were last computed for. */
const CHOICES = ['picture', 'truth', 'truthFrom', 'covered', 'class', 'sign', 'layer', 'method', 'normalisation'];
let good = null;
let running = null;
let again = false;

/** Computes the explanation for what is chosen now. While it runs, further calls are joined into one. */
app.refresh = async () => {
  again = true;
  if (!state.picture) return undefined;
  running ??= (async () => {
    set({ busy: true });
    try {
      while (again) await compute();
    } finally {
      running = null;
      set({ busy: false });
    }
  })();
  return running;
};

async function compute() {
  again = false;
  try {
    const chosen = Object.fromEntries(CHOICES.map((key) => [key, state[key]]));
    const explanation = await app.lesson.explain(app.request());
    if (chosen.picture !== state.picture) return;
    Object.assign(explanation, { of: chosen.picture, method: chosen.method, sign: chosen.sign });
    const first = state.explanation === null || state.explanation.shape.join() !== explanation.shape.join();
    const channels = explanation.shape[2];
    const patch = { explanation };
    if (!state.covered) patch.uncovered = explanation;
    if (first || state.channel >= channels) patch.channel = ordered(explanation, 'effect')[0];
    if (first || state.count > channels) patch.count = channels;
    set(patch);
    good = chosen;
    await measure(explanation);
  } catch (error) {
    if (error.kind === 'lost') await reopen(error.message);
    else {
      // What could not be computed is not shown as chosen: the page goes back to what it has numbers of.
      app.say(error.message, 'error');
      if (good) set(good);
    }
  }
}

/** Grey levels and their scores. While a brush draws an outline, only its newest form is scored. */
async function measure(explanation) {
  newest = explanation;
  measuring ??= (async () => {
    try {
      while (newest) {
        const now = newest;
        newest = null;
        await measureOnce(now);
      }
    } finally {
      measuring = null;
    }
  })();
  return measuring;
}

let newest = null;
let measuring = null;

async function measureOnce(explanation) {
  const { picture } = state;
  if (explanation.of !== picture) return;
  const levels = explanation.levels ?? greyLevels(explanation.sum, explanation.shape, [picture.height, picture.width], state.normalisation).levels;
  const patch = { levels, scores: null, trivial: [] };
  const { truth } = state;
  if (truth?.some((one) => one)) {
    patch.scores = await app.lesson.dice(levels, truth);
    patch.trivial = trivialMaps(picture.width, picture.height).map((map) => ({ ...map, scores: diceCurve(map.levels, truth) }));
  }
  if (state.truth === truth && state.picture === picture) set(patch);
}

let reopening = null;

/** A lost device: a new one is asked for, once. */
function reopen(reason) {
  reopening ??= (async () => {
    app.say(`${reason} The page opens it again …`, 'error');
    try {
      app.lesson = await app.lesson.reopen({ onProgress: progress });
      watch();
      for (const changed of [state.edited, state.rungs, state.randomised]) changed.clear();
      set({ edited: state.edited, rungs: state.rungs, randomised: state.randomised });
      status();
      find('messages').querySelectorAll('.error').forEach((box) => box.remove());
      app.say('The GPU is back. Edited kernels and random weights are as they were in the beginning.', 'done');
      again = true;
    } catch (error) {
      app.say(`The GPU does not come back: ${error.message} Reload the page to go on; everything that is on it can still be read.`, 'error');
    }
  })().finally(() => { reopening = null; });
  return reopening;
}

function watch() {
  const { lesson } = app;
  lesson.lost?.then((info) => {
    if (app.lesson === lesson) reopen(info?.message || 'The browser took the GPU away.').then(() => app.refresh());
  });
}

function progress(done, total, name) {
  const share = total ? done / total : 0;
  fill(find('status'), h('p', {}, `Compiling the kernels: ${done} of ${total}${name ? ` (${name})` : ''}`), h('progress', { max: 1, value: share, 'aria-label': 'Compiling' }));
}

function status() {
  const { lesson } = app;
  const { explanation } = state;
  const line = lesson.mode === 'webgpu'
    ? h('p', { class: 'where' }, h('b', {}, lesson.software ? 'On your processor: ' : 'On your GPU: '), lesson.adapter, explanation ? `. The last map took ${format(explanation.milliseconds, 3)} ms.` : '.')
    : h('div', {}, h('p', { class: 'where' }, h('b', {}, 'Recorded: '), `${lesson.reason ?? 'WebGPU is not there.'} You see values that the native program recorded for the included pictures${explanation?.where === 'processor' ? '; those of this picture are computed on your processor' : ''}. Kernels, exercises, training and the bench need WebGPU.`),
      h('details', {}, h('summary', {}, 'How to turn WebGPU on'), h('ul', {}, ...TURN_ON.map((text) => h('li', {}, text)))));
  fill(find('status'), line);
}

function summary() {
  const { explanation, scores, trivial, busy } = state;
  const box = find('summary');
  box.classList.toggle('busy', busy);
  if (!explanation) return;
  const parts = [`${app.classes[explanation.class]}: score ${format(explanation.score)}`];
  if (scores) parts.push(h('b', {}, `mean-Dice ${format(scores.meanDice, 3)}`), ...trivial.map(({ name, scores: own }) => `${name} ${format(own.meanDice, 3)}`));
  else parts.push('no outline: draw one in step 1 to get a score');
  fill(box, ...parts.map((part) => h('span', {}, part)), h('span', { class: 'place' }, where(explanation.where)));
}

function contents() {
  const links = [...document.querySelectorAll('main > section > h2')].map((title) => {
    const number = title.querySelector('span')?.textContent;
    const name = { picture: 'Picture', network: 'Network', score: 'Score', gradient: 'Gradient', weights: 'Weights', sum: 'Sum', relu: 'ReLU', upsample: 'Resize', levels: 'Heatmap', dice: 'Dice', trivial: 'Trivial maps', doubt: 'Doubt', kernels: 'Kernels', exercises: 'Exercises', train: 'Train', bench: 'Bench', sources: 'Words' }[title.parentElement.id];
    return h('a', { href: `#${title.parentElement.id}` }, number ? h('span', {}, number) : null, name);
  });
  fill(find('contents'), ...links);
}

/** Sentences of the page that depend on the network and on the pictures. */
function words() {
  const { input: [height, width], scaling, about } = app.data.network;
  find('input-size').textContent = `${height} × ${width}`;
  // What nobody told the page it does not say: what a user's network was trained on, and what a user's pictures show.
  if (!about) {
    document.querySelector('h1').textContent = 'How a network that only names a class comes to mark a place';
    find('never').remove();
  }
  if (!app.data.standard) find('included').textContent = 'The pictures on the shelf were given to the program that made this page.';
  else if (!about) find('included').textContent = 'The pictures on the shelf are regions of synthetic mammograms, made for this project. This page does not know what the network was trained on.';
  if (scaling !== 'tf') fill(find('scaling'), h('p', { class: 'formula' }, 'x = factor · level + constant, one of each a channel'), h('span', {}, '(1)'));
}

async function start() {
  contents();
  app.data = JSON.parse(find('lesson-data').textContent);
  app.lesson = await openLesson(app.data, { onProgress: progress });
  app.classes = app.lesson.classes ?? app.data.network.classes;
  app.layers = app.lesson.layers ?? app.data.network.layers;
  app.methods = app.lesson.methods;
  words();
  const explainable = app.layers.filter((layer) => layer.explainable);
  set({ layer: app.lesson.layer ?? app.data.network.camLayer ?? explainable.at(-1)?.name, shown: app.lesson.layer ?? explainable.at(-1)?.name });
  watch();
  status();
  if (window.matchMedia('(max-width: 40rem)').matches) find('settings').open = false;
  controls(find('controls'));
  for (const [name, view] of Object.entries(VIEWS)) {
    const place = document.querySelector(`[data-view="${name}"]`);
    try {
      view(place);
    } catch (error) {
      console.error(error);
      fill(place, h('p', { class: 'message error' }, `This part could not be opened: ${error.message}`));
    }
  }
  on(['explanation'], status);
  on(['explanation', 'scores', 'trivial', 'busy'], summary);
  on(['truth'], () => {
    if (good && state.explanation?.of === state.picture) Object.assign(good, { truth: state.truth, truthFrom: state.truthFrom });
    if (state.explanation) measure(state.explanation).catch((error) => app.say(error.message, 'error'));
  });
  await openIncluded(app.data.pictures[0].id);
}

start().catch((error) => {
  console.error(error);
  fill(find('status'), h('p', { class: 'message error' }, `The page could not open: ${error.message}`));
});
