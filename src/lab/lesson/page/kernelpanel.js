// One kernel: its text, which can be edited; its ladder of versions; what it computes now; how long it takes.

import { h, fill } from 'lesson/dom.js';
import { state, set } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { Editor } from 'lesson/editor.js';
import { compiled, TURNS } from 'lesson/guard.js';
import { format } from 'lesson/inspector.js';
import { Ladder, climb, ladderOf, timed } from 'lesson/ladder.js';
import { verify } from 'lesson/verify.js';

/** What stands in an editor outlives the editor: texts by shader. */
const drafts = new Map();

/** The text `wgsl` of a shader with what `steps` of `program` do by it. Without a program it can be read alone. */
export function kernelPanel({ program, shader, wgsl, steps }) {
  const runnable = app.lesson.mode === 'webgpu' && program !== null;
  // What the editor shows: the shader of the group, or that of the version in use.
  let shown = { shader, wgsl, entry: steps[0]?.entry };
  const editor = new Editor({ text: drafts.get(shader) ?? wgsl, label: `Text of the kernel ${shader}`, onrun: () => runnable && busy(use) });
  const output = h('div', { class: 'output', role: 'status' });
  const title = h('h3', {}, h('code', {}, shader));
  const shapes = steps.slice(0, 3).map((step) => `${step.operation}: ${step.inputs.join(', ')} → ${step.output.name}`);
  const button = (label, action, primary = false) => h('button', { type: 'button', class: primary ? 'primary' : null, disabled: runnable ? null : true, onclick: () => busy(action) }, label);
  const buttons = [button('Compile and use', use, true), button('Original', restore), button('Time both', time)];
  const rungs = ladderOf(steps);
  const ladder = rungs.length > 1
    ? new Ladder({ rungs, steps, runnable, onuse: (rung) => busy(() => take(rung)), onall: () => busy(timeAll) }) : null;
  editor.area.addEventListener('input', () => drafts.set(shown.shader, editor.text));

  async function busy(action) {
    const lock = (locked) => {
      for (const one of buttons) one.disabled = locked || !runnable;
      ladder?.lock(locked);
    };
    lock(true);
    try {
      await action();
    } catch (error) {
      fill(output, h('p', { class: 'message error' }, error.message));
    }
    lock(false);
  }

  /** The version that the steps run by now. */
  const current = () => rungs.find((rung) => [...rung.of].every(([step, one]) => program.chosen(step.step) === one)) ?? rungs[0];

  function show(rung) {
    shown = rung;
    title.replaceChildren(h('code', {}, rung.shader));
    editor.text = drafts.get(rung.shader) ?? rung.wgsl;
    const line = rung.wgsl.slice(0, Math.max(0, rung.wgsl.search(new RegExp(`fn ${rung.entry}\\b`)))).split('\n').length;
    setTimeout(() => editor.show(line));
  }

  const compile = (text) => compiled(text, {}, (guarded) => program.replace(shown.shader, guarded));

  async function use() {
    if (editor.text === shown.wgsl) return restore();
    fill(output, h('p', {}, 'Compiling …'));
    const { ok, errors } = await compile(editor.text);
    editor.errors(errors);
    if (!ok) {
      fill(output, h('p', { class: 'message error' }, `It does not compile: ${errors.length || 'some'} error${errors.length === 1 ? '' : 's'}. The kernel that was in use before still is.`));
      if (errors.length) editor.show(errors[0].line);
      return undefined;
    }
    state.edited.add(shown.shader);
    set({ edited: state.edited });
    await app.refresh();
    const found = await verify();
    fill(output, h('p', { class: 'message done' }, `It compiles and is in use. Its loops end after ${TURNS.toLocaleString('en')} turns, whatever it says.`), compared(found));
    return undefined;
  }

  async function restore() {
    program.restore(shown.shader);
    drafts.delete(shown.shader);
    editor.text = shown.wgsl;
    state.edited.delete(shown.shader);
    set({ edited: state.edited });
    await app.refresh();
    fill(output, h('p', { class: 'message done' }, 'The original is in use.'));
  }

  /** Another version in place of the one in use. */
  async function take(rung) {
    fill(output, h('p', {}, `Compiling ${rung.variant} …`));
    await climb(program, rung);
    ladder.use(rung);
    show(rung);
    note(rung);
    await app.refresh();
    const found = await verify();
    ladder.tell(rung, { worst: found.worst, ms: await timed(program, rung) });
    fill(output, h('p', { class: 'message done' }, `${rung.variant} is in use.`), compared(found));
    // What was timed by itself has left its numbers in the memory that all steps share.
    await app.refresh();
  }

  /** Says on the page which steps do not run by their own version. */
  function note(rung) {
    const own = [...rung.of.values()].every((one) => one.own);
    for (const name of state.rungs) if (name.startsWith(`${shader}: `)) state.rungs.delete(name);
    if (!own) state.rungs.add(`${shader}: ${rung.variant}`);
    set({ rungs: state.rungs });
  }

  async function timeAll() {
    const before = current();
    for (const [at, rung] of rungs.entries()) {
      if (!rung.there) continue;
      fill(output, h('p', {}, `Timing ${rung.variant}, ${at + 1} of ${rungs.length} …`));
      await climb(program, rung);
      ladder.tell(rung, { ms: await timed(program, rung) });
    }
    await climb(program, before);
    await app.refresh();
    fill(output, h('p', { class: 'note' }, `Each is the mean of a few runs on this computer${steps.length > 1 ? `, of ${steps.length} steps together` : ''}. What is fast on a GPU may be slow on a processor, and the other way round.`));
  }

  async function time() {
    const own = editor.text;
    const edited = own !== shown.wgsl;
    const rung = ladder ? current() : { of: new Map(steps.map((step) => [step, null])) };
    fill(output, h('p', {}, 'Timing …'));
    // Both with counters in their loops, so that these cost the same.
    const first = await compile(shown.wgsl);
    if (!first.ok) program.restore(shown.shader);
    const before = await timed(program, rung);
    let after = null;
    if (edited) {
      const { ok, errors } = await compile(own);
      editor.errors(errors);
      if (ok) after = await timed(program, rung);
    }
    if (!state.edited.has(shown.shader)) program.restore(shown.shader);
    const row = (name, ms) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, `${format(ms, 3)} ms`), h('td', {}, `${format(before / ms, 3)} ×`));
    fill(output, h('table', {}, h('thead', {}, h('tr', {}, ...['kernel', 'time', 'speed'].map((text) => h('th', { scope: 'col' }, text)))), h('tbody', {}, row('original', before), after === null ? null : row('edited', after))),
      h('p', { class: 'note' }, edited ? (after === null ? 'The edited text does not compile.' : `The mean of a few runs${steps.length > 1 ? `, ${steps.length} steps together` : ''}.`) : 'Edit the text to compare.'));
    await app.refresh();
  }

  if (ladder && runnable) {
    ladder.use(current());
    if (current().shader !== shader) show(current());
  }
  setTimeout(() => editor.show(1));
  return h('div', { class: 'kernelpanel' }, title, h('p', { class: 'note' }, shapes.join('; '), steps.length > 3 ? `; and ${steps.length - 3} more steps` : ''), ladder?.element ?? null, editor.element,
    h('div', { class: 'row' }, ...buttons, h('span', { class: 'note' }, runnable ? 'Ctrl+Enter compiles' : 'Compiling needs WebGPU.')), output);
}

/** What the kernels in use compute, against the reference. */
function compared({ rows, good, text }) {
  return h('div', {}, h('p', { class: good ? 'verdict good' : 'verdict bad' }, good ? 'Equal to the reference values.' : 'It computes something else.'), h('p', { class: 'note' }, text),
    h('div', { class: 'scroll' }, h('table', {}, h('thead', {}, h('tr', {}, ...['', 'largest difference', 'largest value', ''].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, ...rows.map(({ name, most, largest, fine }) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, format(most, 3)), h('td', {}, format(largest, 3)), h('td', {}, fine ? 'equal' : h('b', { class: 'bad' }, 'differs'))))))));
}
