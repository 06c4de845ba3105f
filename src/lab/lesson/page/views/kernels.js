// Step 13: all kernels of the explanation in one list, by the part of the page that they belong to.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { asTheyCame, shadersOf } from 'lesson/kernel.js';
import { kernelPanel } from 'lesson/kernelpanel.js';

const STAGES = { forward: 'forward pass', gradient: 'gradient', mean: 'mean of the gradient', sum: 'weighted sum', relu: 'ReLU', upsample: 'resizing', levels: 'grey levels', dice: 'Dice' };

export function kernelsView(root) {
  const banner = h('div', { class: 'row' });
  const choose = h('select', { 'aria-label': 'Kernel', onchange: () => open() });
  const place = h('div', {});
  const count = h('p', { class: 'note' });
  fill(root, banner, h('div', { class: 'row' }, h('label', {}, 'Kernel ', choose)), count, place);
  let groups = [];

  const open = () => {
    const group = groups[Number(choose.value)];
    if (group) fill(place, kernelPanel(group));
  };
  /** Without WebGPU the texts can still be read. */
  const read = () => {
    if (groups.length) return;
    const { shaders } = app.data.program;
    // Two texts of one file differ in constants that were set in them.
    const times = (at) => shaders.slice(0, at).filter(({ name }) => name === shaders[at].name).length;
    groups = shaders.map(({ name, wgsl }, at) => ({ program: null, shader: times(at) ? `${name} ${times(at) + 1}` : name, wgsl, steps: [] }));
    fill(choose, ...groups.map(({ shader }, i) => h('option', { value: i }, shader)));
    choose.selectedIndex = Math.max(0, groups.findIndex(({ shader }) => shader === 'channel_sum'));
    count.textContent = 'They run, and can be changed, where WebGPU is there. Here is their text.';
    open();
  };
  const list = () => {
    const { stages } = app.lesson;
    if (!stages) {
      read();
      return;
    }
    const found = Object.entries(STAGES).flatMap(([stage, name]) => (stages?.[stage] ? shadersOf(stages[stage]).map((group) => ({ ...group, stage, name })) : []));
    const key = (all) => all.map(({ stage, shader }) => stage + shader).join();
    const changed = key(found) !== key(groups) || found.some((group, i) => group.program !== groups[i]?.program);
    groups = found;
    if (!changed) return;
    const before = choose.selectedIndex;
    fill(choose, ...groups.map(({ name, shader, steps }, i) => h('option', { value: i }, `${name}: ${shader}${steps.length > 1 ? ` (${steps.length} steps)` : ''}`)));
    choose.selectedIndex = before >= 0 && before < groups.length ? before : Math.max(0, groups.findIndex(({ stage }) => stage === 'sum'));
    const steps = groups.reduce((sum, group) => sum + group.steps.length, 0);
    count.textContent = `${steps} steps run ${new Set(groups.map(({ shader }) => shader)).size} different texts. A file opens with its formula.`;
    open();
  };
  on(['explanation'], list);
  on(['edited', 'rungs'], () => {
    const changed = [...[...state.edited].map((shader) => `${shader}, edited`), ...state.rungs];
    fill(banner, changed.length ? [h('p', { class: 'message note' }, `In use: ${changed.join('; ')}. All numbers of the page come from them now.`), h('button', { type: 'button', onclick: async () => {
      await asTheyCame(await app.lesson.opened());
      state.edited.clear();
      state.rungs.clear();
      set({ edited: state.edited, rungs: state.rungs });
      await app.refresh();
      open();
    } }, 'All originals back')] : null);
  });
}
