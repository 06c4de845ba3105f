// The kernel behind a step: its text, which can be edited; what an edited one computes; how long it takes.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { Editor } from 'lesson/editor.js';
import { compiled, TURNS } from 'lesson/guard.js';
import { format } from 'lesson/inspector.js';
import { diceCurve } from 'lesson/maths.js';

/** The kernels of a part of the page, to unfold. */
export function stageKernels(stage) {
  return folded(() => app.lesson.stages?.[stage] ?? null, 'This step is computed in JavaScript here; it has no kernel of its own.');
}

/** The kernels of one layer. */
export function layerKernels(layer) {
  return folded(() => {
    const steps = app.lesson.layerSteps?.(layer.name) ?? app.lesson.layers?.find(({ name }) => name === layer.name)?.steps;
    return steps?.length ? { program: app.lesson.program, steps } : null;
  }, 'This layer has no kernel of its own.');
}

function folded(source, otherwise) {
  const place = h('div', {});
  const name = h('span', { class: 'note' });
  const details = h('details', { class: 'kernel' }, h('summary', {}, 'The kernel of this step ', name), place);
  let shown = null;
  const build = () => {
    const found = source();
    const groups = found ? shadersOf(found) : [];
    name.textContent = groups.map(({ shader }) => shader).join(', ');
    if (!details.open) return;
    const key = groups.map(({ shader, program }) => shader + app.lesson.number?.(program)).join();
    if (shown && shown.key === key && shown.program === found?.program) return;
    shown = { key, program: found?.program };
    if (groups.length) fill(place, ...groups.map((group) => kernelPanel(group)));
    else fill(place, h('p', { class: 'note' }, app.lesson.mode === 'webgpu' || app.lesson.stages ? otherwise : 'The kernels run where WebGPU is there. Their text stands in step 13.'));
  };
  details.addEventListener('toggle', build);
  on(['explanation'], build);
  build();
  return details;
}

/** Steps that share a text belong together. */
export function shadersOf({ program, steps }) {
  const groups = new Map();
  for (const index of steps) {
    const step = program?.steps.find((one) => one.step === index) ?? program?.steps[index];
    if (!step) continue;
    if (!groups.has(step.shader)) groups.set(step.shader, { program, shader: step.shader, wgsl: step.wgsl, steps: [] });
    groups.get(step.shader).steps.push(step);
  }
  return [...groups.values()];
}

/** What stands in an editor outlives the editor: texts by shader. */
const drafts = new Map();

/** One text with its editor. */
export function kernelPanel({ program, shader, wgsl, steps }) {
  const runnable = app.lesson.mode === 'webgpu' && typeof program?.replace === 'function';
  const editor = new Editor({ text: drafts.get(shader) ?? wgsl, label: `Text of the kernel ${shader}`, onrun: () => runnable && use() });
  const output = h('div', { class: 'output', role: 'status' });
  const entries = [...wgsl.matchAll(/@compute[^{]*?fn\s+(\w+)/g)].map((match) => ({ name: match[1], line: wgsl.slice(0, match.index + match[0].length).split('\n').length }));
  const ran = new Set(steps.map(({ entry }) => entry));
  const ladder = h('p', { class: 'ladder' }, 'Versions in this file: ', ...entries.flatMap(({ name, line }) => [h('button', { type: 'button', class: ran.has(name) ? 'ran' : '', onclick: () => editor.go(line) }, name), ran.has(name) ? ' (this one ran) ' : ' ']));
  const shapes = steps.slice(0, 3).map((step) => `${step.operation ?? shader}: ${(step.grid ?? []).join(' × ')} workgroups, ${[].concat(step.inputs ?? []).join(', ')} → ${step.output?.name ?? step.output ?? ''}`);
  const button = (label, action, primary = false) => h('button', { type: 'button', class: primary ? 'primary' : null, disabled: runnable ? null : true, onclick: () => busy(action) }, label);
  const buttons = [button('Compile and use', use, true), button('Original', restore), button('Time both', time)];
  editor.area.addEventListener('input', () => drafts.set(shader, editor.text));

  async function busy(action) {
    for (const one of buttons) one.disabled = true;
    try {
      await action();
    } catch (error) {
      fill(output, h('p', { class: 'message error' }, error.message));
    }
    for (const one of buttons) one.disabled = !runnable;
  }

  const compile = (text) => compiled(text, {}, (guarded) => program.replace(shader, guarded));

  async function use() {
    if (editor.text === wgsl) return restore();
    fill(output, h('p', {}, 'Compiling …'));
    const { ok, errors } = await compile(editor.text);
    editor.errors(errors);
    if (!ok) {
      fill(output, h('p', { class: 'message error' }, `It does not compile: ${errors.length || 'some'} error${errors.length === 1 ? '' : 's'}. The kernel that was in use before still is.`));
      if (errors.length) editor.show(errors[0].line);
      return;
    }
    state.edited.add(shader);
    set({ edited: state.edited });
    const reference = app.reference;
    await app.refresh();
    fill(output, h('p', { class: 'message done' }, `It compiles and is in use. Its loops end after ${TURNS.toLocaleString('en')} turns, whatever it says.`), await compared(reference));
  }

  async function restore() {
    await program.restore(shader);
    drafts.delete(shader);
    editor.text = wgsl;
    state.edited.delete(shader);
    set({ edited: state.edited });
    await app.refresh();
    fill(output, h('p', { class: 'message done' }, 'The original is in use.'));
  }

  async function time() {
    const own = editor.text;
    const edited = own !== wgsl;
    const measure = async () => {
      let total = 0;
      for (const step of steps) total += await program.time(step.step ?? program.steps.indexOf(step), { repeats: 20 });
      return total;
    };
    fill(output, h('p', {}, 'Timing …'));
    // Both with counters in their loops, so that these cost the same.
    const first = await compile(wgsl);
    const before = first.ok ? await measure() : await (program.restore(shader), measure());
    let after = null;
    if (edited) {
      const { ok, errors } = await compile(own);
      editor.errors(errors);
      if (ok) after = await measure();
    }
    if (!state.edited.has(shader)) await program.restore(shader);
    const row = (name, ms) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, `${format(ms, 3)} ms`), h('td', {}, `${format(before / ms, 3)} ×`));
    fill(output, h('table', {}, h('thead', {}, h('tr', {}, ...['kernel', 'time', 'speed'].map((text) => h('th', { scope: 'col' }, text)))), h('tbody', {}, row('original', before), after === null ? null : row('edited', after))),
      h('p', { class: 'note' }, edited ? (after === null ? 'The edited text does not compile.' : `The mean of 20 runs${steps.length > 1 ? `, ${steps.length} steps together` : ''}.`) : 'Edit the text to compare.'));
  }

  const head = entries.find(({ name }) => ran.has(name));
  if (head) setTimeout(() => editor.show(1));
  return h('div', { class: 'kernelpanel' }, h('h3', {}, h('code', {}, shader)), h('p', { class: 'note' }, shapes.join('; '), steps.length > 3 ? `; and ${steps.length - 3} more steps` : ''), entries.length > 1 ? ladder : null, editor.element,
    h('div', { class: 'row' }, ...buttons, runnable ? h('span', { class: 'note' }, 'Ctrl+Enter compiles') : h('span', { class: 'note' }, 'Compiling needs WebGPU.')), output);
}

/** What the edited kernels compute, against what the originals computed for the same picture. */
async function compared(reference) {
  const { explanation: e } = state;
  if (!reference || reference.key !== app.key()) return h('p', { class: 'note' }, 'There is no result of the originals for these settings to compare with: press Original once, then compile again.');
  const was = reference.explanation;
  const rows = [['scores', 'logits'], ['feature maps A', 'activation'], ['gradient', 'gradient'], ['weights α', 'weights'], ['sum S', 'sum'], ['map L', 'map'], ['grey levels', 'levels']]
    .filter(([, key]) => was[key] && e[key])
    .map(([name, key]) => ({ name, ...difference(was[key], e[key]), allowed: key === 'levels' ? 1 : null }));
  if (state.truth && state.levels) {
    const now = await app.lesson.dice(state.levels, state.truth);
    rows.push({ name: 'Dice, 256 thresholds', ...difference(diceCurve(state.levels, state.truth).dice, now.dice), allowed: null });
  }
  const good = rows.every(fine);
  return h('div', {}, h('p', { class: good ? 'verdict good' : 'verdict bad' }, good ? 'Equal to the reference values.' : 'It computes something else.'),
    h('table', {}, h('thead', {}, h('tr', {}, ...['', 'largest difference', 'largest value', ''].map((text) => h('th', { scope: 'col' }, text)))),
      h('tbody', {}, ...rows.map((row) => h('tr', {}, h('th', { scope: 'row' }, row.name), h('td', {}, format(row.most, 3)), h('td', {}, format(row.largest, 3)), h('td', {}, fine(row) ? 'equal' : h('b', { class: 'bad' }, 'differs')))))));
}

const fine = ({ most, largest, allowed }) => (allowed === null ? most <= 1e-4 * largest + 1e-12 : most <= allowed);

function difference(a, b) {
  let [most, largest] = [0, 0];
  for (let i = 0; i < a.length; i += 1) {
    const off = Math.abs(a[i] - b[i]);
    most = Number.isFinite(off) ? Math.max(most, off) : Infinity;
    largest = Math.max(largest, Math.abs(a[i]));
  }
  return { most: a.length === b.length ? most : Infinity, largest };
}
