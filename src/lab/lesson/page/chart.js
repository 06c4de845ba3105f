// Two charts: bars, of which one can be chosen, and curves with a line that can be moved.

import { h, s, fill } from 'lesson/dom.js';
import { format } from 'lesson/inspector.js';

/** Bars of one number each. `onselect(index)`; keys and pointer choose. */
export class Bars {
  constructor({ name, onselect, height = 150 }) {
    Object.assign(this, { name, onselect, height, values: [], chosen: 0 });
    this.svg = s('svg', { class: 'bars', preserveAspectRatio: 'none', 'aria-hidden': true });
    this.high = h('span', { class: 'top' });
    this.low = h('span', { class: 'bottom' });
    this.element = h('div', { class: 'chartbox', tabindex: 0, role: 'slider', 'aria-label': name, style: { height: `${height}px` } }, this.svg, this.high, this.low);
    const pick = (event) => {
      const box = this.svg.getBoundingClientRect();
      this.choose(Math.floor(((event.clientX - box.left) / box.width) * this.values.length));
    };
    this.element.addEventListener('pointerdown', pick);
    this.element.addEventListener('pointermove', (event) => event.buttons && pick(event));
    this.element.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -16, PageDown: 16 }[event.key];
      const to = { Home: 0, End: this.values.length - 1 }[event.key] ?? (step === undefined ? null : this.chosen + step);
      if (to === null) return;
      event.preventDefault();
      this.choose(Math.min(this.values.length - 1, Math.max(0, to)));
    });
  }

  /** `describe(index)` is what a screen reader hears. */
  update(values, chosen, describe = (i) => `${i}: ${format(values[i])}`) {
    Object.assign(this, { values, describe });
    let [least, most] = [0, 0];
    for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
    const span = most - least || 1;
    this.svg.setAttribute('viewBox', `0 0 ${values.length} 100`);
    const y = (value) => ((most - value) / span) * 100;
    let [up, down] = ['', ''];
    Array.from(values).forEach((value, i) => {
      const bar = `M${i + 0.08} ${y(0).toFixed(2)}V${y(value).toFixed(2)}h.84V${y(0).toFixed(2)}z`;
      if (value >= 0) up += bar;
      else down += bar;
    });
    this.cursor = s('rect', { class: 'cursor', y: 0, width: 1, height: 100 });
    fill(this.svg, this.cursor, s('path', { class: 'for', d: up }), s('path', { class: 'against', d: down }), s('path', { class: 'axis', d: `M0 ${y(0)}H${values.length}` }));
    fill(this.high, format(most, 3));
    fill(this.low, least < 0 ? format(least, 3) : '');
    this.element.setAttribute('aria-valuemin', 0);
    this.element.setAttribute('aria-valuemax', values.length - 1);
    this.mark(chosen);
  }

  mark(index) {
    this.chosen = index;
    this.cursor?.setAttribute('x', index);
    if (index < 0 || index >= this.values.length) return;
    this.element.setAttribute('aria-valuenow', index);
    this.element.setAttribute('aria-valuetext', this.describe(index));
  }

  choose(index) {
    if (index < 0 || index >= this.values.length) return;
    this.mark(index);
    this.onselect?.(index);
  }
}

/** Curves over one axis. `curves`: [{name, values, class}], x from 0 to `last`, y from `low` to `high`. */
export function curves(list, { last, low = 0, high = 1, x = 'threshold t', y = 'Dice', at = null, onmove = null, ticks = null, label = '' }) {
  const [W, H, left, bottom, top, right] = [560, 260, 44, 34, 8, 10];
  const px = (value) => left + ((W - left - right) * value) / (last || 1);
  const py = (value) => top + (H - top - bottom) * (1 - (value - low) / (high - low || 1));
  const path = (values) => Array.from(values, (value, i) => `${i ? 'L' : 'M'}${px(i).toFixed(1)} ${py(Math.min(high, Math.max(low, value))).toFixed(1)}`).join('');
  const steps = ticks ?? [0, 1, 2, 3, 4].map((i) => Math.round((last * i) / 4));
  const rows = [0, 1, 2, 3, 4].map((i) => low + ((high - low) * i) / 4);
  const svg = s('svg', { class: 'curves', viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': label || `${y} against ${x}` },
    ...rows.map((value) => [s('path', { class: 'grid', d: `M${left} ${py(value)}H${W - right}` }), s('text', { x: left - 6, y: py(value) + 4, 'text-anchor': 'end' }, String(Number(value.toPrecision(3))))]),
    ...steps.map((value) => s('text', { x: px(value), y: H - bottom + 16, 'text-anchor': 'middle' }, String(value))),
    s('text', { x: (W + left) / 2, y: H - 2, 'text-anchor': 'middle', class: 'axis' }, x),
    s('text', { x: left, y: top + 4, class: 'axis', dx: 6 }, y),
    ...list.map(({ values, class: name }) => s('path', { class: `curve ${name}`, d: path(values) })));
  if (at !== null) {
    const cursor = s('path', { class: 'cursor', d: `M${px(at)} ${top}V${H - bottom}` });
    svg.append(cursor, ...list.slice(0, 1).map(({ values }) => s('circle', { class: 'dot', cx: px(at), cy: py(values[at] ?? low), r: 4 })));
  }
  if (onmove) {
    const move = (event) => {
      const box = svg.getBoundingClientRect();
      const share = (((event.clientX - box.left) / box.width) * W - left) / (W - left - right);
      onmove(Math.round(Math.min(1, Math.max(0, share)) * last));
    };
    svg.addEventListener('pointerdown', move);
    svg.addEventListener('pointermove', (event) => event.buttons && move(event));
  }
  return svg;
}

/** The lines' names in their colours. */
export const legend = (list) => h('ul', { class: 'legend' }, ...list.map(({ name, class: kind }) => h('li', {}, s('svg', { viewBox: '0 0 28 8', 'aria-hidden': true }, s('path', { class: `curve ${kind}`, d: 'M0 4H28' })), name)));
