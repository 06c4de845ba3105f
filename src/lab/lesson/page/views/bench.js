// Step 16: the time of the page's kernels on this computer.

import { h, fill } from 'lesson/dom.js';
import { app } from 'lesson/app.js';
import { runBench } from 'lesson/bench.js';
import { format } from 'lesson/inspector.js';

export function benchView(root) {
  const webgpu = app.lesson.mode === 'webgpu';
  const text = h('p', { class: 'note', role: 'status' }, webgpu ? `It runs on ${app.lesson.adapter}, and takes a few seconds to a minute.` : 'The bench needs WebGPU, which is not there.');
  const table = h('div', { class: 'scroll' });
  const output = h('textarea', { rows: 8, readonly: true, hidden: true, 'aria-label': 'Result as JSON', class: 'json' });
  const save = h('a', { class: 'button', download: 'bench.json', hidden: true }, 'Save bench.json');
  let stop = null;
  const button = h('button', { type: 'button', id: 'bench-start', class: 'primary', disabled: webgpu ? null : true, onclick: async () => {
    if (stop) {
      stop.abort();
      return;
    }
    stop = new AbortController();
    button.textContent = 'Stop';
    try {
      const { json, rows, clock } = await runBench(app.lesson, { signal: stop.signal, onProgress: (done, total, name) => { text.textContent = `${done} of ${total}: ${name ?? ''}`; } });
      text.textContent = `${app.lesson.adapter}. Times are ${clock === 'timestamps' ? 'timestamps of the adapter' : 'by the wall clock, so short kernels read too long'}.`;
      fill(table, h('table', {}, h('thead', {}, h('tr', {}, ...['kernel', 'version', 'ms', 'GFLOP/s', 'GB/s', 'case'].map((name) => h('th', { scope: 'col', class: name === 'version' || name === 'case' ? 'text' : null }, name)))),
        h('tbody', {}, ...rows.map((row) => h('tr', {}, h('th', { scope: 'row' }, row.op), h('td', { class: 'text' }, row.variant), ...[row.ms, row.gflops, row.gbps].map((value) => h('td', {}, format(value, 3))), h('td', { class: 'text' }, row.case))))));
      const all = JSON.stringify(json, null, 2);
      output.value = all;
      output.hidden = save.hidden = false;
      save.href = URL.createObjectURL(new Blob([all], { type: 'application/json' }));
    } catch (error) {
      text.textContent = error.name === 'AbortError' ? 'Stopped.' : error.message;
    }
    stop = null;
    button.textContent = 'Run the bench';
  } }, 'Run the bench');
  fill(root, h('div', { class: 'row' }, button, save), text, table, output, h('p', { class: 'note' }, 'The JSON is what ', h('code', {}, 'parula bench --compare'), ' reads.'));
}
