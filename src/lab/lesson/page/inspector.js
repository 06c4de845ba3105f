// Numbers that say where they come from.
//
// `num(0.657, () => ({title, formula, parts}))` is a button that reads "0.657". Pointing at it, or focusing it, shows
// the formula with values in it; a click keeps it open. The values in a formula are such buttons themselves, so a
// number can be followed to the numbers it was made of, and those to theirs.

import { h, fill } from 'lesson/dom.js';

/** A number in few characters that keep what matters: four significant digits, no exponents where avoidable. */
export function format(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value).replace('-', '−');
  const size = Math.abs(value);
  let text;
  if (size !== 0 && size < 1e-4) {
    const [mantissa, exponent] = value.toExponential(Math.max(1, digits - 2)).split('e');
    text = `${mantissa}·10${superscript(Number(exponent))}`;
  } else {
    text = value.toFixed(Math.min(7, Math.max(0, digits - 1 - Math.floor(Math.log10(size || 1)))));
    // 0.99998 is not 1: where rounding says so, more digits.
    if (/^-?1\.0+$/.test(text)) text = value.toFixed(Math.min(9, text.length + 1));
  }
  return text.replace('-', '−');
}

const superscript = (n) => String(n).replace(/./g, (c) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(c)]);

/** A number as a button; without `make` plain text. `text` replaces the formatted value. */
export function num(value, make = null, { digits = 4, text = null } = {}) {
  const shown = text ?? format(value, digits);
  if (!make) return h('span', { class: 'num plain' }, shown);
  const button = h('button', { type: 'button', class: 'num' }, shown);
  button.append(h('span', { class: 'hidden' }, ', how it was made'));
  button.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && inspector.hint(button, make));
  button.addEventListener('pointerleave', () => inspector.unhint(button));
  button.addEventListener('focus', () => button.matches(':focus-visible') && inspector.hint(button, make));
  button.addEventListener('blur', () => inspector.unhint(button));
  button.addEventListener('click', (event) => {
    event.stopPropagation();
    inspector.keep(button, make);
  });
  return button;
}

/** A line of a formula: strings and elements in a row. */
export const line = (...parts) => h('p', { class: 'formula' }, ...parts);

/** A short italic name, with a lower and an upper index: `sym('α', 'k', 'c')`. */
export const sym = (name, low = null, high = null) => h('span', { class: 'sym' }, h('i', {}, name), low !== null ? h('sub', {}, low) : null, high !== null ? h('sup', {}, high) : null);

/** Products that are added, the largest first; the rest in one line. `terms`: [{label, weight, value, make?, makeWeight?}]. */
export function sumTable(terms, { names = ['', 'weight', 'value', 'product'], most = 12, total = null, totalName = 'sum' } = {}) {
  const largest = terms.map((term) => ({ ...term, product: term.weight * term.value })).sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const rest = largest.slice(most).reduce((sum, term) => sum + term.product, 0);
  const all = largest.reduce((sum, term) => sum + term.product, 0);
  return h('div', { class: 'scroll' }, h('table', {},
    h('thead', {}, h('tr', {}, ...names.map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, ...largest.slice(0, most).map((term) => h('tr', {},
      h('th', { scope: 'row' }, term.label), h('td', {}, num(term.weight, term.makeWeight)), h('td', {}, num(term.value, term.make)), h('td', {}, format(term.product)))),
    largest.length > most ? h('tr', {}, h('th', { scope: 'row', colspan: 3 }, `${largest.length - most} more products`), h('td', {}, format(rest))) : null,
    h('tr', { class: 'total' }, h('th', { scope: 'row', colspan: 3 }, totalName ?? 'sum'), h('td', {}, format(total ?? all))))));
}

class Inspector {
  constructor() {
    this.trail = [];
    this.kept = false;
    this.owner = null;
    this.body = h('div', { class: 'inspector-body' });
    this.back = h('button', { type: 'button', onclick: () => this.pop() }, '← Back');
    this.close = h('button', { type: 'button', onclick: () => this.hide(true) }, 'Close');
    this.box = h('aside', { id: 'inspector', role: 'dialog', 'aria-label': 'How this number was made', hidden: true, tabindex: -1 },
      h('div', { class: 'inspector-bar' }, this.back, h('span', { class: 'grow' }), this.close), this.body);
    this.box.addEventListener('keydown', (event) => event.key === 'Escape' && this.hide(true));
    document.addEventListener('keydown', (event) => event.key === 'Escape' && this.hide(false));
    document.addEventListener('pointerdown', (event) => {
      if (!this.box.contains(event.target) && !event.target.closest?.('.num')) this.hide(false);
    });
  }

  /** Shows without keeping: while the pointer is there. */
  hint(button, make) {
    if (this.kept || this.box.contains(button)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!button.isConnected) return;
      this.owner = button;
      this.trail = [make];
      this.show();
    }, 120);
  }

  unhint(button) {
    clearTimeout(this.timer);
    if (!this.kept && this.owner === button) this.hide(false);
  }

  /** A click: from the page it opens, from within a formula it goes one number deeper. */
  keep(button, make) {
    clearTimeout(this.timer);
    if (this.box.contains(button)) this.trail.push(make);
    else {
      this.trail = [make];
      this.owner = button;
    }
    this.kept = true;
    this.showAndFocus();
  }

  pop() {
    if (this.trail.length > 1) this.trail.pop();
    this.showAndFocus();
  }

  async showAndFocus() {
    await this.show();
    if (this.kept) this.box.focus({ preventScroll: true });
  }

  hide(back) {
    clearTimeout(this.timer);
    if (this.box.hidden) return;
    this.box.hidden = true;
    this.kept = false;
    if (back && this.owner?.isConnected) this.owner.focus({ preventScroll: true });
  }

  async show() {
    if (!this.box.isConnected) document.body.append(this.box);
    const [make, owner] = [this.trail.at(-1), this.owner];
    let made;
    try {
      // Some numbers have to be read back from the GPU first.
      made = await make();
    } catch (error) {
      made = { title: 'How this number was made', parts: [h('p', {}, error.message)] };
    }
    if (this.trail.at(-1) !== make || this.owner !== owner) return;
    fill(this.body, h('h3', {}, made.title), made.parts, made.note ? h('p', { class: 'note' }, made.note) : null);
    this.back.hidden = this.trail.length < 2;
    this.close.hidden = !this.kept;
    this.box.classList.toggle('kept', this.kept);
    this.box.hidden = false;
    this.place();
  }

  /** Below the number, or above it where there is no room; at the foot of a small screen. */
  place() {
    const style = this.box.style;
    if (window.innerWidth < 640) {
      style.left = style.top = '';
      return;
    }
    const at = this.owner.getBoundingClientRect();
    const own = this.box.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - own.width - 8));
    const below = at.bottom + 6 + own.height < window.innerHeight;
    const top = below ? at.bottom + 6 : Math.max(8, at.top - own.height - 6);
    style.left = `${left + window.scrollX}px`;
    style.top = `${top + window.scrollY}px`;
  }
}

const inspector = new Inspector();
