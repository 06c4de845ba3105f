// Step 3: the scores, the probabilities, and what the score was made of.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { num, format } from 'lesson/inspector.js';
import { headWeight, score, probability } from 'lesson/made.js';

export function scoreView(root) {
  const table = h('div', { class: 'scroll' });
  const note = h('p', {});
  fill(root, table, note);
  on(['explanation'], () => {
    const { logits, probabilities, class: chosen } = state.explanation;
    // All classes where they are few, the highest ten else.
    const rows = Array.from(logits, (value, c) => c).sort((a, b) => (logits.length > 10 ? logits[b] - logits[a] : a - b)).slice(0, 10);
    const most = Math.max(...Array.from(logits, Math.abs)) || 1;
    fill(table, h('table', { class: 'scores' },
      h('thead', {}, h('tr', {}, ...['class', 'score y', '', 'probability', ''].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, ...rows.map((c) => h('tr', { class: c === chosen ? 'own' : null },
        h('th', { scope: 'row' }, app.classes[c] ?? String(c)),
        h('td', {}, num(logits[c], () => score(c))),
        h('td', { class: 'barcell' }, h('span', { class: `bar ${logits[c] < 0 ? 'against' : 'for'}`, style: { width: `${(100 * Math.abs(logits[c])) / most}%` } })),
        h('td', {}, num(probabilities[c], () => probability(c))),
        h('td', {}, c === chosen ? h('span', { class: 'note' }, 'explained') : h('button', { type: 'button', onclick: () => { set({ class: c }); app.refresh(); } }, 'Explain this')))))));
    fill(note, 'Softmax turns the scores into probabilities that add up to 1. Grad-CAM explains the score ', h('i', {}, 'y'), h('sup', {}, 'c'), ` = ${format(logits[chosen])} of “${app.classes[chosen] ?? chosen}”.`,
      headWeight(0) === null ? ' More than a mean and a dense layer lies between the layer that is explained and the score, so equation 2 is only the last part of the way.' : '');
  });
}
