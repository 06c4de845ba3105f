// Step 13: all kernels of the explanation in one list, by the part of the page that they belong to.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { kernelPanel, shadersOf } from 'lesson/kernel.js';

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
    groups = (app.data.program?.shaders ?? []).map(({ name, wgsl }) => ({ program: null, shader: name, wgsl, steps: [] }));
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
    count.textContent = `${steps} steps run ${new Set(groups.map(({ shader }) => shader)).size} different texts. A file opens with its formula and the versions in it, from naive to fast.`;
    open();
  };
  on(['explanation'], list);
  on(['edited'], () => {
    fill(banner, state.edited.size ? [h('p', { class: 'message note' }, `Edited and in use: ${[...state.edited].join(', ')}. All numbers of the page come from them now.`), h('button', { type: 'button', onclick: async () => {
      for (const { program, shader } of groups) if (state.edited.has(shader)) await program.restore(shader);
      state.edited.clear();
      set({ edited: state.edited });
      await app.refresh();
      open();
    } }, 'All originals back')] : null);
  });
}
