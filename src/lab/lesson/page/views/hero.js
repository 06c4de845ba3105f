// The whole story in three pictures, at the top: the picture, where the network looked, and the cut.

import { h, s, fill } from 'lesson/dom.js';
import { state, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { drawOverlap, drawOverlay, drawPixels, outline } from 'lesson/draw.js';
import { format } from 'lesson/inspector.js';
import { bestOf } from 'lesson/maths.js';

export function heroView(root) {
  const parts = ['A picture', 'Where the network looked', 'The heatmap, cut'].map((title) => {
    const canvas = h('canvas', { width: 1, height: 1 });
    const over = s('svg', { class: 'outline', preserveAspectRatio: 'none', 'aria-hidden': true });
    const note = h('span', {});
    const element = h('figure', { role: 'group', 'aria-label': title }, h('div', { class: 'frame still' }, canvas, over), h('figcaption', {}, h('b', {}, title), note));
    return { canvas, over, note, element };
  });
  root.hidden = true;
  fill(root, ...parts.flatMap(({ element }, i) => [i ? h('span', { class: 'operator', 'aria-hidden': true }, '→') : null, element]));

  on(['levels', 'scores', 'truth'], () => {
    const { picture, levels, truth, scores } = state;
    if (!levels || levels.length !== picture.width * picture.height) return;
    root.hidden = false;
    const { width, height } = picture;
    const [first, second, third] = parts;
    drawPixels(first.canvas, picture.pixels, width, height);
    drawOverlay(second.canvas, picture, levels, 0.6);
    const t = scores ? bestOf(scores.dice) : state.threshold;
    if (truth) drawOverlap(third.canvas, width, height, (i) => levels[i] > t, (i) => truth[i]);
    else drawOverlap(third.canvas, width, height, (i) => levels[i] > t, (i) => levels[i] > t);
    for (const { over } of [first, second]) {
      over.setAttribute('viewBox', `0 0 ${width} ${height}`);
      fill(over, truth ? s('path', { d: outline(truth, width, height) }) : null);
    }
    first.note.textContent = truth ? `The line is the truth.${app.data.network.about ? ' The network never saw it.' : ''}` : 'No outline belongs to it.';
    second.note.textContent = 'Yellow: most. Dark blue: nothing.';
    third.note.textContent = scores ? `Green is right: Dice ${format(scores.dice[t], 2)} at the best of 256 thresholds, ${format(scores.meanDice, 2)} on average.` : `What lies above ${t} of 255.`;
  });
}
