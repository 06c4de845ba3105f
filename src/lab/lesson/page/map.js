// A picture of numbers: a canvas, its scale, and the position that all of them mark.
//
// Moving the pointer over one map, or the arrow keys while it has the focus, moves `state.at`; every map shows the same
// place, and the number there below it.

import { h, s, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { drawNumbers, drawScale, scaleOf, outline } from 'lesson/draw.js';
import { format, num } from 'lesson/inspector.js';

export class MapView {
  /** `kind`: 'heat', 'grey' or 'signed'. `make(x, y)` explains the number there. `paint(canvas)` draws it otherwise. */
  constructor({ title, kind = 'heat', make = null, label = null, readout = true, className = '' }) {
    Object.assign(this, { kind, make, name: label ?? title, readout });
    this.canvas = h('canvas', { width: 1, height: 1 });
    this.mark = h('span', { class: 'mark', 'aria-hidden': true });
    this.over = s('svg', { class: 'outline', 'aria-hidden': true, preserveAspectRatio: 'none' });
    this.frame = h('div', { class: 'frame', tabindex: 0, role: 'img', 'aria-label': this.name }, this.canvas, this.over, this.mark);
    this.title = h('span', { class: 'title' }, title);
    this.low = h('span', {});
    this.high = h('span', {});
    this.bar = h('canvas', { class: 'scalebar', 'aria-hidden': true });
    this.scaleLine = h('span', { class: 'scale' }, this.low, this.bar, this.high);
    this.value = h('span', { class: 'value' });
    this.element = h('figure', { class: `map ${className}` }, this.frame, h('figcaption', {}, this.title, this.scaleLine, this.value));
    this.width = this.height = 0;
    this.frame.addEventListener('pointermove', (event) => this.point(event));
    this.frame.addEventListener('pointerdown', (event) => this.point(event));
    this.frame.addEventListener('keydown', (event) => this.key(event));
    on(['at'], () => this.place());
  }

  /** Shows numbers, row by row. `limits`: [least, most] of the scale, else of the values. */
  update(values, width, height, limits = null) {
    Object.assign(this, { values, width, height });
    let [least, most] = limits ?? [Infinity, -Infinity];
    if (!limits) for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
    const scale = scaleOf(this.kind, least, most);
    drawNumbers(this.canvas, values, width, height, scale);
    drawScale(this.bar, this.kind);
    fill(this.low, format(scale.low, 3));
    fill(this.high, format(scale.high, 3));
    this.fit();
  }

  /** Shows what `draw(canvas)` paints; `values` are still what the pointer reads, or null. */
  paint(draw, values, width, height) {
    Object.assign(this, { values, width, height });
    draw(this.canvas);
    this.scaleLine.hidden = true;
    this.fit();
  }

  fit() {
    // Few pixels stay squares, and many are smoothed.
    this.frame.style.aspectRatio = `${this.width} / ${this.height}`;
    this.canvas.classList.toggle('squares', Math.max(this.width, this.height) < 200);
    this.place();
  }

  /** The edge of a mask over the map, or none. */
  edge(mask, width, height) {
    this.over.setAttribute('viewBox', `0 0 ${width} ${height}`);
    fill(this.over, mask ? s('path', { d: outline(mask, width, height) }) : null);
  }

  /** Column and row under the position. */
  cell() {
    const clamp = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    return [clamp(state.at.x, this.width), clamp(state.at.y, this.height)];
  }

  point(event) {
    if (event.pointerType === 'touch' && event.type === 'pointermove' && event.buttons === 0) return;
    const box = this.frame.getBoundingClientRect();
    const share = (at, start, size) => Math.min(0.999999, Math.max(0, (at - start) / size));
    set({ at: { x: share(event.clientX, box.left, box.width), y: share(event.clientY, box.top, box.height) } });
  }

  key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move || this.width === 0) return;
    event.preventDefault();
    const [x, y] = this.cell();
    const step = event.shiftKey ? 8 : 1;
    const to = (at, by, size) => (Math.min(size - 1, Math.max(0, at + by * step)) + 0.5) / size;
    set({ at: { x: to(x, move[0], this.width), y: to(y, move[1], this.height) } });
  }

  place() {
    if (this.width === 0) return;
    const [x, y] = this.cell();
    Object.assign(this.mark.style, {
      left: `${(100 * x) / this.width}%`, top: `${(100 * y) / this.height}%`,
      width: `${100 / this.width}%`, height: `${100 / this.height}%`,
    });
    if (!this.readout || !this.values) return;
    const value = this.values[y * this.width + x];
    fill(this.value, `row ${y}, column ${x}: `, num(value, this.make && (() => this.make(x, y))));
    this.frame.setAttribute('aria-label', `${this.name}. Row ${y}, column ${x}: ${format(value)}. Arrow keys move.`);
  }
}
