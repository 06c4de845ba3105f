// The bar: what is explained, and how.

import { h, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { METHODS } from 'lesson/text.js';
import { openIncluded } from 'lesson/views/picture.js';

const NORMALISATIONS = { 'relu-max': 'ReLU, then / max', 'min-max': 'min to max', max: '/ max, then ReLU' };

export function controls(root) {
  const recorded = app.lesson.mode !== 'webgpu';
  const change = (key, parse = (value) => value) => (event) => {
    set({ [key]: parse(event.target.value) });
    app.refresh();
  };
  const picture = h('select', { id: 'choose-picture', onchange: (event) => openIncluded(event.target.value) },
    ...app.data.pictures.map((one, i) => h('option', { value: one.id }, `${i + 1}: ${one.title ?? app.classes[one.class] ?? one.id}`)));
  const classes = h('select', { id: 'choose-class', onchange: change('class', (value) => (value === '' ? null : Number(value))) },
    h('option', { value: '' }, 'the highest score'), ...app.classes.map((name, c) => h('option', { value: c }, `${c}: ${name}`)));
  const sign = h('select', { id: 'choose-sign', onchange: change('sign', Number) }, h('option', { value: 1 }, 'for it'), h('option', { value: -1 }, 'against it'));
  const method = h('select', { id: 'choose-method', onchange: change('method') },
    ...app.methods.map(({ name, title }) => h('option', { value: name }, title ?? name)));
  const layer = h('select', { id: 'choose-layer', onchange: change('layer') },
    ...app.layers.filter((one) => one.explainable).map((one) => h('option', { value: one.name }, one.name)));
  const normalisation = h('select', { id: 'choose-normalisation', onchange: change('normalisation') },
    ...Object.entries(NORMALISATIONS).map(([value, name]) => h('option', { value }, name)));
  const field = (name, control) => h('label', {}, h('span', {}, name), control);
  const about = h('p', { class: 'note', id: 'about-method' });
  fill(root, field('Picture', picture), field('Class', classes), field('What speaks', sign), field('Method', method), field('Layer', layer), field('Grey levels', normalisation), about);
  if (recorded) {
    // What was not recorded cannot be chosen, and the page says so.
    for (const control of [method, layer, sign]) {
      const some = [...control.options].filter((option) => app.lesson.offers?.(control.id.replace('choose-', ''), option.value) === false);
      for (const option of some) {
        option.disabled = true;
        option.textContent += ' (needs WebGPU)';
      }
    }
  }
  const show = () => {
    const own = state.picture?.own;
    let option = picture.querySelector('[value="own"]');
    if (own && !option) picture.append((option = h('option', { value: 'own', disabled: true }, 'your picture')));
    picture.value = own ? 'own' : state.picture?.id ?? '';
    classes.value = state.class ?? '';
    sign.value = state.sign;
    method.value = state.method;
    layer.value = state.layer;
    normalisation.value = state.normalisation;
    about.textContent = METHODS[state.method] ?? app.methods.find(({ name }) => name === state.method)?.about ?? '';
  };
  on(['picture', 'class', 'sign', 'method', 'layer', 'normalisation'], show);
  show();
}
