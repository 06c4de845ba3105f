// Step 14: six exercises, each with a check, hints and a solution to unfold.

import { h, fill } from 'lesson/dom.js';
import { state } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { Editor } from 'lesson/editor.js';
import { format } from 'lesson/inspector.js';
import { check } from 'lesson/exercises/run.js';
import { relu } from 'lesson/exercises/relu.js';
import { sum } from 'lesson/exercises/sum.js';
import { mean } from 'lesson/exercises/mean.js';
import { upsample } from 'lesson/exercises/upsample.js';
import { convolution } from 'lesson/exercises/convolution.js';
import { dice } from 'lesson/exercises/dice.js';

export const EXERCISES = [relu, sum, mean, upsample, convolution, dice];

export function exercisesView(root) {
  const passed = new Set();
  const count = h('p', { class: 'note', role: 'status' });
  const tell = () => { count.textContent = app.lesson.mode === 'webgpu' ? `${passed.size} of ${EXERCISES.length} are passed.` : 'Checking needs WebGPU, which is not there. You can read the tasks, hints and solutions, and write.'; };
  fill(root, count, ...EXERCISES.map((exercise, i) => card(exercise, i + 1, (ok) => {
    if (ok) passed.add(exercise.id);
    else passed.delete(exercise.id);
    tell();
  })));
  tell();
}

function card(exercise, number, done) {
  const runnable = app.lesson.mode === 'webgpu' && app.lesson.device;
  const title = h('span', {}, `${number}. ${exercise.title} `);
  const sign = h('span', { class: 'sign' });
  const output = h('div', { class: 'output', role: 'status' });
  const editor = new Editor({ text: exercise.start, label: `Exercise ${number}: ${exercise.title}`, onrun: () => runnable && run(), rows: 20 });
  const go = h('button', { type: 'button', class: 'primary check', disabled: runnable ? null : true, onclick: () => run() }, 'Check');
  const reset = h('button', { type: 'button', onclick: () => { editor.text = exercise.start; fill(output); } }, 'Start again');
  const take = h('button', { type: 'button', class: 'take', onclick: () => { editor.text = exercise.solution; fill(output); } }, 'Put it into the editor');
  const body = [
    ...exercise.task.map((text) => h('p', {}, text)), editor.element,
    h('div', { class: 'row' }, go, reset, runnable ? null : h('span', { class: 'note' }, 'Checking needs WebGPU.')), output,
    ...exercise.hints.map((hint, i) => h('details', {}, h('summary', {}, `Hint ${i + 1}`), h('p', {}, hint))),
    h('details', { class: 'solution' }, h('summary', {}, 'Solution'), h('pre', { class: 'listing', tabindex: 0 }, exercise.solution), take),
  ];
  const details = h('details', { class: 'card exercise', id: `exercise-${exercise.id}`, open: number === 1 }, h('summary', {}, title, sign), ...body);

  async function run() {
    if (!state.explanation) return;
    go.disabled = true;
    fill(output, h('p', {}, 'Running …'));
    try {
      const { levels, truth } = state;
      const page = truth && levels?.length === truth.length ? { levels, truth } : null;
      const { passed, errors, reports } = await check(app.lesson.device, exercise, editor.text, { ...state.explanation, page });
      editor.errors(errors);
      if (errors.length) editor.show(errors[0].line);
      fill(output, h('p', { class: passed ? 'verdict good' : 'verdict bad' }, passed ? 'Passed.' : errors.length ? 'It does not compile.' : 'Not yet.'),
        h('ul', {}, ...reports.map(({ name, ok, text, milliseconds }) => h('li', { class: ok ? 'ok' : 'wrong' }, `${ok ? '✓' : '✗'} ${name}: ${text}`, ok ? h('span', { class: 'note' }, ` (${format(milliseconds, 3)} ms with reading back)`) : null))));
      sign.textContent = passed ? '✓ passed' : '';
      done(passed);
    } catch (error) {
      fill(output, h('p', { class: 'message error' }, error.message));
    }
    go.disabled = false;
  }
  return details;
}
