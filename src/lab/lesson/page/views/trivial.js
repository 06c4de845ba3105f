// Step 11: the trivial maps beside the map.

import { h, fill } from 'lesson/dom.js';
import { state, on } from 'lesson/state.js';
import { drawNumbers, scaleOf } from 'lesson/draw.js';
import { num, format } from 'lesson/inspector.js';
import { meanDice } from 'lesson/made.js';
import { METHODS } from 'lesson/text.js';

export function trivialView(root) {
  const cards = h('div', { class: 'cards' });
  const text = h('p', {});
  fill(root, cards, text);
  on(['levels', 'scores', 'trivial'], () => {
    const { levels, scores, trivial, picture } = state;
    cards.hidden = !scores;
    if (!scores) {
      text.textContent = 'Without a true outline there is no score to compare.';
      return;
    }
    const all = [{ name: state.method, levels, scores, about: METHODS[state.method] ?? '', own: true }, ...trivial];
    const order = [...all].sort((a, b) => b.scores.meanDice - a.scores.meanDice);
    fill(cards, ...all.map((map) => {
      const canvas = h('canvas', { role: 'img', 'aria-label': `${map.name}: ${map.about}` });
      drawNumbers(canvas, map.levels, picture.width, picture.height, scaleOf('heat', 0, 255));
      return h('div', { class: `card ${map.own ? 'own' : ''}` }, canvas, h('h3', {}, map.name), h('p', { class: 'big' }, num(map.scores.meanDice, () => meanDice(map.scores, map.own ? 'the map' : map.name))), h('p', { class: 'note' }, map.own ? `place ${order.indexOf(map) + 1} of ${all.length}` : map.about));
    }));
    const better = trivial.filter((map) => map.scores.meanDice > scores.meanDice);
    text.textContent = better.length === 0 ? 'On this picture the map beats all three.'
      : `${better.map((map) => `The ${map.name} map`).join(' and ').replace('The ones map', 'A map of ones')} score${better.length > 1 ? '' : 's'} higher, and never saw the picture. One picture proves little; on whole data sets it is much the same: a filled ellipse in the middle is hard to beat.`;
  });
}
