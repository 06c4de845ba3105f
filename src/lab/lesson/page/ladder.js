// The ladder of a kernel: its versions from naive to fast. A click runs one in place of the one in use.

import { h, fill } from 'lesson/dom.js';
import { format } from 'lesson/inspector.js';

/** As often a step is run to be timed, so that the clock's grain does not matter. */
const REPEATS = 5;

/** `[{variant, feature, there, shader, entry, wgsl, of: Map step → rung}]` of steps that share a text. */
export function ladderOf(steps) {
  const found = new Map();
  for (const step of steps) {
    for (const rung of step.rungs) {
      if (!found.has(rung.variant)) found.set(rung.variant, { ...rung, of: new Map() });
      found.get(rung.variant).of.set(step, rung);
    }
  }
  const all = [...found.values()];
  // What needs a feature comes last in each step, and so it does in all of them.
  return [...all.filter(({ feature }) => !feature), ...all.filter(({ feature }) => feature)];
}

/** Runs all steps that have this version by it. */
export async function climb(program, { of }) {
  for (const [step, rung] of of) await program.choose(step.step, rung);
}

/** Milliseconds of the steps that have this version, by what is in use. */
export async function timed(program, { of }) {
  let total = 0;
  for (const step of of.keys()) total += await program.time(step.step, { repeats: REPEATS });
  return total;
}

export class Ladder {
  /** `onuse(rung)` and `onall()` are called by its buttons. */
  constructor({ rungs, steps, runnable, onuse, onall }) {
    this.rungs = rungs;
    this.found = new Map();
    this.rows = h('tbody', {});
    this.buttons = [];
    const heads = ['version', 'runs', 'workgroups', 'ms', 'speed', 'off by'];
    this.all = h('button', { type: 'button', disabled: runnable ? null : true, onclick: onall }, 'Time all versions');
    this.rungRows = rungs.map((rung) => {
      const button = h('button', { type: 'button', disabled: runnable && rung.there ? null : true, onclick: () => onuse(rung) }, rung.variant);
      const cells = ['ms', 'speed', 'off'].map(() => h('td', {}, '–'));
      const some = rung.of.size < steps.length ? ` in ${rung.of.size} of ${steps.length} steps` : '';
      const needs = rung.feature ? (rung.there ? `uses ${rung.feature}` : `needs ${rung.feature}, not here`) : '';
      const note = h('span', { class: 'note' }, [needs, some].filter(Boolean).join(','));
      const row = h('tr', {}, h('th', { scope: 'row' }, button, ' ', note), h('td', { class: 'text' }, h('code', { 'data-entry': rung.entry }, rung.dispatches.map(({ entry }) => entry).join(', ') || '–')), h('td', {}, rung.grid.join(' × ')), ...cells);
      return { rung, button, cells, row };
    });
    fill(this.rows, ...this.rungRows.map(({ row }) => row));
    this.element = h('div', { class: 'ladder' },
      h('div', { class: 'scroll' }, h('table', {}, h('caption', {}, `${rungs.length} versions of this step, from naive to fast. Click one: it runs in place of the one in use.`),
        h('thead', {}, h('tr', {}, ...heads.map((name, i) => h('th', { scope: 'col', class: i < 2 ? 'text' : null, title: name === 'off by' ? 'the largest difference from the reference, over the largest value' : null }, name)))), this.rows)),
      h('div', { class: 'row tight' }, this.all, h('span', { class: 'note' }, '“off by”: the largest difference from the reference anywhere, over the largest value there.')));
  }

  /** What is known of a version: `{ms, worst}`. */
  tell(rung, what) {
    this.found.set(rung.variant, { ...this.found.get(rung.variant), ...what });
    this.draw();
  }

  /** The version in use. */
  use(rung) {
    this.current = rung;
    this.draw();
  }

  lock(locked) {
    for (const { rung, button } of this.rungRows) button.disabled = locked || !rung.there;
    this.all.disabled = locked;
  }

  draw() {
    // Speeds are against the first that was timed, from naive on.
    const base = this.rungs.map(({ variant }) => this.found.get(variant)?.ms).find((ms) => ms > 0);
    for (const { rung, button, cells: [ms, speed, off], row } of this.rungRows) {
      const { ms: own, worst } = this.found.get(rung.variant) ?? {};
      button.setAttribute('aria-pressed', String(this.current === rung));
      row.classList.toggle('own', this.current === rung);
      ms.textContent = own === undefined ? '–' : format(own, 3);
      speed.textContent = own > 0 && base ? `${format(base / own, 2)} ×` : '–';
      off.textContent = worst === undefined ? '–' : format(worst, 2);
    }
  }
}
