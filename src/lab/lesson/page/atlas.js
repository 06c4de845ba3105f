// All channels of a tensor as small pictures in one canvas; one of them can be chosen.

import { h } from 'lesson/dom.js';
import { COLOURS, scaleOf } from 'lesson/draw.js';
import { range } from 'lesson/maths.js';
import { format } from 'lesson/inspector.js';

export class Atlas {
  /** `onselect(k)`: called when a picture is clicked or reached by the arrow keys. */
  constructor({ name, onselect }) {
    Object.assign(this, { name, onselect, chosen: 0, count: 0 });
    this.canvas = h('canvas', { width: 1, height: 1, class: 'squares' });
    this.mark = h('span', { class: 'mark', 'aria-hidden': true });
    this.element = h('div', { class: 'atlas', tabindex: 0, role: 'img', 'aria-label': name }, this.canvas, this.mark);
    this.element.addEventListener('click', (event) => {
      const box = this.canvas.getBoundingClientRect();
      const column = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
      const row = Math.floor(((event.clientY - box.top) / box.height) * this.rows);
      this.choose(row * this.columns + column);
    });
    this.element.addEventListener('keydown', (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
      if (!move) return;
      event.preventDefault();
      this.choose(this.chosen + move);
    });
  }

  /** Shows the first `count` channels of (height, width, channels). Each has its own scale unless `common`. */
  update(data, [height, width, channels], { kind = 'grey', common = false, count = channels, columns = null } = {}) {
    this.count = Math.min(count, channels);
    this.columns = columns ?? Math.min(this.count, Math.max(8, Math.ceil(Math.sqrt(this.count * 2))));
    this.rows = Math.ceil(this.count / this.columns);
    const gap = Math.max(1, Math.round(width / 12));
    const [cellW, cellH] = [width + gap, height + gap];
    this.canvas.width = this.columns * cellW - gap;
    this.canvas.height = this.rows * cellH - gap;
    this.cell = [cellW / this.canvas.width, cellH / this.canvas.height, width / this.canvas.width, height / this.canvas.height];
    const context = this.canvas.getContext('2d');
    const all = common ? range(data) : null;
    this.ranges = [];
    const tile = new ImageData(width, height);
    const area = width * height;
    const colour = COLOURS[kind];
    for (let k = 0; k < this.count; k += 1) {
      let [least, most] = [Infinity, -Infinity];
      for (let p = 0; p < area; p += 1) {
        const value = data[p * channels + k];
        if (value < least) least = value;
        if (value > most) most = value;
      }
      this.ranges.push([least, most]);
      const scale = scaleOf(kind, ...(all ?? [least, most]));
      for (let p = 0; p < area; p += 1) {
        const [r, g, b] = colour(most === least && kind !== 'signed' ? 0 : scale.share(data[p * channels + k]));
        tile.data[4 * p] = r;
        tile.data[4 * p + 1] = g;
        tile.data[4 * p + 2] = b;
        tile.data[4 * p + 3] = 255;
      }
      context.putImageData(tile, (k % this.columns) * cellW, Math.floor(k / this.columns) * cellH);
    }
    this.mark_(Math.min(this.chosen, this.count - 1));
  }

  choose(k) {
    if (k < 0 || k >= this.count) return;
    this.mark_(k);
    this.onselect?.(k);
  }

  mark_(k) {
    if (this.count === 0 || k < 0) return;
    this.chosen = k;
    const [x, y, w, h] = this.cell;
    Object.assign(this.mark.style, {
      left: `${100 * (k % this.columns) * x}%`, top: `${100 * Math.floor(k / this.columns) * y}%`, width: `${100 * w}%`, height: `${100 * h}%`,
    });
    const [least, most] = this.ranges[k];
    this.element.setAttribute('aria-label', `${this.name}: channel ${k} of ${this.count}, from ${format(least, 3)} to ${format(most, 3)}. Arrow keys choose.`);
  }
}
