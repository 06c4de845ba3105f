// A place to edit a kernel: a textarea with line numbers, colours behind it, and errors at their line.

import { h, fill } from 'lesson/dom.js';

const TOKENS = /(\/\/[^\n]*)|\b(fn|var|let|const|override|struct|return|if|else|for|while|loop|break|continue|select|true|false)\b|(@\w+)|\b(\d[\w.]*)\b/g;

export class Editor {
  /** `onrun()` is called on Ctrl+Enter. */
  constructor({ text, label, onrun, rows = 18 }) {
    this.area = h('textarea', { spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', wrap: 'off', rows, 'aria-label': label });
    this.lines = h('pre', { class: 'lines', 'aria-hidden': true });
    this.colours = h('pre', { class: 'colours', 'aria-hidden': true });
    this.list = h('ul', { class: 'errors', role: 'alert' });
    this.element = h('div', { class: 'editor' }, h('div', { class: 'code' }, h('div', { class: 'gutter' }, this.lines), h('div', { class: 'under' }, this.colours, this.area)), this.list);
    this.area.addEventListener('input', () => this.draw());
    this.area.addEventListener('scroll', () => this.scroll());
    this.area.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        onrun?.();
      } else if (event.key === 'Enter') {
        // A new line starts where the last one did.
        const before = this.text.slice(0, this.area.selectionStart);
        const indent = before.slice(before.lastIndexOf('\n') + 1).match(/^\s*/)[0] + (/\{\s*$/.test(before) ? '    ' : '');
        event.preventDefault();
        this.area.setRangeText(`\n${indent}`, this.area.selectionStart, this.area.selectionEnd, 'end');
        this.draw();
      }
    });
    this.text = text;
  }

  get text() {
    return this.area.value;
  }

  set text(value) {
    this.area.value = value;
    this.errors([]);
  }

  /** `list`: [{line, column, message}], lines from 1. */
  errors(list) {
    this.wrong = new Set(list.map(({ line }) => line));
    fill(this.list, ...list.map(({ line, column, message }) => h('li', {}, h('button', { type: 'button', onclick: () => this.go(line, column) }, `Line ${line}`), ` ${message}`)));
    this.draw();
  }

  go(line, column = 1) {
    const at = this.text.split('\n').slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
    this.area.focus();
    this.area.setSelectionRange(at, at);
    this.show(line);
  }

  /** Scrolls so that a line can be seen. */
  show(line) {
    const height = this.area.scrollHeight / Math.max(1, this.text.split('\n').length);
    this.area.scrollTop = Math.max(0, (line - 4) * height);
    this.scroll();
  }

  draw() {
    const count = this.text.split('\n').length;
    fill(this.lines, ...Array.from({ length: count }, (_, i) => h('span', { class: this.wrong?.has(i + 1) ? 'wrong' : null }, `${i + 1}\n`)));
    let last = 0;
    const parts = [];
    for (const match of this.text.matchAll(TOKENS)) {
      const kind = ['comment', 'keyword', 'attribute', 'literal'][match.slice(1).findIndex((one) => one !== undefined)];
      parts.push(this.text.slice(last, match.index), h('span', { class: kind }, match[0]));
      last = match.index + match[0].length;
    }
    fill(this.colours, ...parts, this.text.slice(last), '\n');
    this.scroll();
  }

  scroll() {
    this.lines.scrollTop = this.colours.scrollTop = this.area.scrollTop;
    this.colours.scrollLeft = this.area.scrollLeft;
  }
}
