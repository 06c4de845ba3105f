// A lesson without WebGPU: from what the native program recorded of the included pictures, and on the processor.

import { inflate } from 'lesson/plan.js';
import { problem } from 'lesson/device.js';
import { forward as onProcessor } from 'lesson/forward.js';
import { Lesson } from 'lesson/lesson.js';
import { METHODS, diceCurve } from 'lesson/maths.js';

/** What forward.js computes. */
const KINDS = new Set(['input', 'conv2d', 'depthwise_conv2d', 'dense', 'batch_norm', 'elementwise', 'max_pool', 'average_pool', 'global_average_pool']);

/**
 * What the native program recorded of an included picture: `{logits, class, activation, gradient}` at the default layer, or
 * null where it did not.
 */
export async function recordedOf(lesson, { picture, class: wanted, sign }) {
  const recorded = lesson.pictures.find(({ id }) => id === picture)?.recorded;
  if (!recorded) return null;
  const logits = Float32Array.from(recorded.logits);
  const of = wanted ?? lesson.top(logits);
  const kept = recorded.gradient[of];
  if (!kept) return null;
  const activation = await inflate(recorded.activation);
  const gradient = kept.positions ? await inflate(kept.positions) : spread(await inflate(kept.channels), recorded.shape);
  return { logits, class: of, activation, gradient: turned(gradient, sign) };
}

/** A lesson without WebGPU. */
export class Recorded extends Lesson {
  constructor(data, plans, reason, reopen) {
    super(data, plans, reopen);
    Object.assign(this, { mode: 'recorded', adapter: null, reason, device: null, program: null, stages: null, lost: new Promise(() => {}) });
    this.banks = plans.banks('network');
    // A layer behind which only a mean and a dense layer are: its gradient is the kernel's column over h w.
    const after = (name) => this.layers.filter(({ inputs }) => inputs.includes(name));
    const [pooled, ...more] = after(this.layer);
    const [dense] = pooled ? after(pooled.name) : [];
    const head = more.length === 0 && pooled?.details.kind === 'global_average_pool' && dense?.details.kind === 'dense' && dense.name === this.network.logits;
    this.head = head ? dense.details.weights : null;
    this.computes = this.layers.every(({ details }) => KINDS.has(details.kind));
  }

  offers(kind, value) {
    if (kind === 'layer') return value === this.layer;
    if (kind === 'method') return this.method(value).family !== 'input' && (value !== 'cam' || this.head !== null);
    if (kind === 'picture') return (this.computes && this.head !== null) || this.pictures.some(({ id }) => id === value);
    return true;
  }

  weight(name) {
    const { role, offset, shape } = this.plans.tensors('network').find((tensor) => tensor.name === name);
    return { data: this.banks.get(role).subarray(offset, offset + shape.reduce((a, b) => a * b, 1)), shape };
  }

  async layersOf(input) {
    const same = this.last && this.last.input.every((value, index) => value === input[index]);
    if (!same) this.last = { input: input.slice(), tensors: await onProcessor(this.data, (name) => this.weight(name), input) };
    return this.last.tensors;
  }

  /** Activation, gradient and scores: recorded where they are, else computed here. */
  async material(request, input) {
    const recorded = await recordedOf(this, request);
    if (recorded) return { ...recorded, where: 'recorded' };
    const { shape } = this.find(this.layer);
    if (!this.computes || this.head === null) throw problem('recorded', 'Without WebGPU this page shows the included pictures alone, and of this one it has no values for that class.');
    const tensors = await this.layersOf(input);
    const logits = tensors.get(this.network.logits).data;
    const of = request.class ?? this.top(logits);
    const { data, shape: [, classes] } = this.weight(this.head);
    const [h, w, c] = shape;
    const slopes = Float32Array.from({ length: c }, (_, k) => data[k * classes + of] / (h * w));
    return { logits, class: of, activation: tensors.get(this.layer).data, gradient: turned(spread(slopes, shape), request.sign), where: 'processor' };
  }

  explain(question) {
    return this.turn(async () => {
      const start = performance.now();
      const request = this.asked(question);
      const layer = this.layerOf(request.method, request.layer);
      if (layer !== this.layer) throw problem('recorded', `Without WebGPU only the layer ${this.layer} is explained.`);
      const input = this.input(request);
      const found = await this.material(request, input);
      this.request = { ...request, input, class: found.class };
      const shape = this.find(layer).shape;
      const { weights, sum } = METHODS[request.method](found.activation, found.gradient, shape, request.sign);
      const levels = this.levelsOf(sum, shape, request);
      return this.answer(request, {
        ...found, input, layer, shape, weights: weights && Float32Array.from(weights), sum: Float32Array.from(sum),
        ...levels, levelsWhere: 'processor', milliseconds: performance.now() - start,
      });
    });
  }

  forward(asked) {
    return this.turn(async () => {
      const start = performance.now();
      const input = this.input(asked);
      const found = await this.material({ ...asked, class: null, sign: 1 }, input);
      return { input, logits: found.logits, probabilities: this.probabilities(found.logits), class: found.class, milliseconds: performance.now() - start, where: found.where };
    });
  }

  async activationOf(layer) {
    const tensor = (await this.layersOf(this.request.input)).get(layer);
    if (!tensor) throw problem('recorded', `Without WebGPU the values of ${layer} are not there.`);
    return tensor;
  }

  async gradientOf(layer) {
    if (layer !== this.layer) throw problem('recorded', `Without WebGPU there is a gradient of ${this.layer} alone.`);
    const { gradient } = await this.material(this.request, this.request.input);
    return { data: gradient, shape: this.find(layer).shape };
  }

  async randomise() {
    throw problem('recorded', 'Random weights need WebGPU.');
  }

  async dice(levels, mask) {
    this.expectSame(levels, mask);
    return { ...diceCurve(levels, mask), where: 'processor' };
  }
}

/** c numbers at each of h w positions. */
function spread(channels, [h, w, c]) {
  const out = new Float32Array(h * w * c);
  for (let p = 0; p < h * w; p += 1) out.set(channels, p * c);
  return out;
}

const turned = (data, sign) => (sign < 0 ? data.map((value) => -value) : data);
