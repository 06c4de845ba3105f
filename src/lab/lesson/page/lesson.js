// What a lesson on the GPU and one without have in common: what may be asked, and what an answer holds.

import { problem } from 'lesson/device.js';
import { networkInput } from 'lesson/input.js';
import { ENDS_IN_RELU, greyLevels, probabilities, relu } from 'lesson/maths.js';

/** What a question leaves open. */
const OPEN = { class: null, sign: 1, method: 'gradcam', normalisation: 'relu-max', picture: null };

/** What both ways have in common. */
export class Lesson {
  /** `reopen({onProgress})` opens the same lesson anew. */
  constructor(data, plans, reopen) {
    this.data = data;
    this.plans = plans;
    this.reopen = (how = {}) => reopen(how);
    this.network = data.network;
    this.layers = data.network.layers;
    this.layer = data.network.cam;
    this.classes = data.network.classes;
    this.methods = data.methods.map((method) => ({ title: method.name, ...method }));
    this.pictures = data.pictures;
    this.randomised = new Set();
    this.queue = Promise.resolve();
  }

  /** One question after another: they share the memory of the plans. */
  turn(work) {
    const next = this.queue.then(work);
    this.queue = next.catch(() => {});
    return next;
  }

  find(layer) {
    const found = this.layers.find(({ name }) => name === layer);
    if (!found) throw problem('usage', `The network has no layer ${layer}.`);
    return found;
  }

  method(name) {
    const found = this.methods.find((method) => method.name === name);
    if (!found) throw problem('usage', `This page has no method ${name}: it has ${this.methods.map((method) => method.name).join(', ')}.`);
    return found;
  }

  expectClass(index) {
    if (index !== null && !(Number.isInteger(index) && index >= 0 && index < this.classes.length)) {
      throw problem('usage', `There is no class ${index}: the network has ${this.classes.length}, counted from 0.`);
    }
  }

  /** The layer that a method explains where `layer` is wanted. */
  layerOf(method, layer) {
    const { family, layers } = this.method(method);
    if (family === 'input') return 'images';
    if (layers && !layers.includes(layer)) throw problem('usage', `${method} explains ${layers.join(', ')} alone: between another layer and the scores is more than a mean and a dense layer.`);
    if (!this.find(layer).explainable) throw problem('usage', `The layer ${layer} cannot be explained here.`);
    return layer;
  }

  input({ pixels, width, height }) {
    if (pixels.length !== 4 * width * height) throw problem('picture', `A picture of ${width} x ${height} pixels has ${4 * width * height} numbers; ${pixels.length} were given.`);
    return networkInput({ pixels, width, height }, this.network);
  }

  probabilities(logits) {
    return probabilities(logits, this.network.output);
  }

  top(logits) {
    return logits.reduce((best, value, index) => (value > logits[best] ? index : best), 0);
  }

  /** A question with everything that it leaves open, which must be one that can be answered. */
  asked(question) {
    const given = Object.fromEntries(Object.entries(question).filter(([, value]) => value !== undefined && value !== null));
    const request = { ...OPEN, layer: this.layer, ...given };
    this.expectClass(request.class);
    return request;
  }

  /** Refuses levels and an outline of different sizes. */
  expectSame(levels, mask) {
    if (levels.length !== mask.length) throw problem('usage', `The outline has ${mask.length} pixels, the heatmap ${levels.length}.`);
  }

  /** What is the same for every explanation, beside its numbers. */
  answer(request, found) {
    const { logits } = found;
    const { picture, method, sign, normalisation, width, height } = request;
    const map = Float32Array.from(ENDS_IN_RELU.has(method) ? relu(found.sum) : found.sum);
    return { picture, method, sign, normalisation, width, height, probabilities: this.probabilities(logits), score: logits[found.class], map, ...found };
  }

  /** Grey levels by the processor. */
  levelsOf(sum, [h, w], { width, height, normalisation }) {
    const { up, least, most, levels } = greyLevels(sum, [h, w], [height, width], normalisation);
    return { up: Float32Array.from(up), least, most, levels };
  }
}
