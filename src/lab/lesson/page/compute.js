// A lesson that computes: on the GPU by the exported plans, or without WebGPU from what was recorded and on the
// processor. Both answer the same questions.

import { Plans, fresh, random, inflate } from 'lesson/plan.js';
import { openDevice, problem } from 'lesson/device.js';
import { Program } from 'lesson/program.js';
import { forward as onProcessor } from 'lesson/forward.js';
import { expose } from 'lesson/api.js';
import * as reference from 'lesson/reference.js';

/** Opens the lesson in `data`, the JSON of the page. */
export async function openLesson(data, { onProgress = () => {} } = {}) {
  const opening = open(data, onProgress);
  expose(opening, data);
  return opening;
}

async function open(data, onProgress) {
  const plans = new Plans(data.program);
  try {
    const gpu = await openDevice(data.program.needs);
    const lesson = new OnGpu(data, plans, gpu);
    await lesson.open(onProgress);
    return lesson;
  } catch (error) {
    if (!error.kind) throw error;
    return new Recorded(data, plans, error.message);
  }
}

/** What both ways have in common. */
class Lesson {
  constructor(data, plans) {
    this.data = data;
    this.plans = plans;
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
    return reference.numbers({ pixels, width, height }, this.network);
  }

  probabilities(logits) {
    return reference.probabilities(logits, this.network.output);
  }

  top(logits) {
    return logits.reduce((best, value, index) => (value > logits[best] ? index : best), 0);
  }

  /** What is the same for every explanation, beside its numbers. */
  answer(request, found) {
    const { logits } = found;
    const end = reference.ENDS_IN_RELU.has(request.method);
    return {
      method: request.method, sign: request.sign, normalisation: request.normalisation, width: request.width, height: request.height,
      probabilities: this.probabilities(logits), score: logits[found.class], map: end ? Float32Array.from(reference.relu(found.sum)) : Float32Array.from(found.sum),
      ...found,
    };
  }

  /** Grey levels by the processor. */
  levelsOf(sum, [h, w], { width, height, normalisation }) {
    const { up, least, most, levels } = reference.greyLevels(sum, [h, w], [height, width], normalisation);
    return { up: Float32Array.from(up), least, most, levels };
  }
}

const later = () => new Promise((done) => setTimeout(done, 1500));
const defaults = (request, layer) => ({ class: null, sign: 1, layer, method: 'gradcam', normalisation: 'relu-max', picture: null, ...clean(request) });
const clean = (request) => Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined && value !== null));

class OnGpu extends Lesson {
  constructor(data, plans, { device, adapter, timestamps, lost }) {
    super(data, plans);
    Object.assign(this, { mode: 'webgpu', reason: null, device, adapter, timestamps, lost, programs: new Map() });
    this.isLost = null;
    lost.then((info) => { this.isLost = info; });
  }

  async open(onProgress) {
    // What the first map needs is compiled together, the rest when it is asked for.
    const [h, w, c] = this.find(this.layer).shape;
    const first = ['explain', `gradcam/${h}x${w}x${c}`, `levels/${h}x${w}`, 'dice'];
    const counts = new Map();
    const report = (name) => (done, total, entry) => {
      counts.set(name, [done, total]);
      const sum = (at) => [...counts.values()].reduce((all, pair) => all + pair[at], 0);
      onProgress(sum(0), sum(1), entry);
    };
    // Behind the gradient of the layer that is shown first come those of all layers before it.
    const until = { explain: `gradient/${this.layer}` };
    await Promise.all(first.map((name) => this.programOf(name, { onProgress: report(name), until: until[name] ?? null })));
    this.explainProgram = await this.programOf('explain');
    this.program = this.explainProgram;
    const { steps } = this.explainProgram;
    const node = this.find(this.network.logits).node;
    this.forwardSteps = steps.findIndex(({ layer }) => layer === node) + 1;
    this.layers = this.layers.map((layer) => ({ ...layer, steps: steps.filter((step) => step.step < this.forwardSteps && step.layer === layer.node).map(({ step }) => step) }));
    await this.use('gradcam', this.layer, 1);
  }

  programOf(name, how) {
    if (!this.programs.has(name)) {
      const made = Program.create(this.device, this.plans, name, how);
      made.catch(() => this.programs.delete(name));
      this.programs.set(name, made);
    }
    return this.programs.get(name);
  }

  async reopen({ onProgress } = {}) {
    return openLesson(this.data, { onProgress });
  }

  /** Whether something can be chosen here: everything. */
  offers(kind, value) {
    if (kind !== 'method') return true;
    const { layers } = this.method(value);
    return !layers || layers.includes(this.asked ?? this.layer);
  }

  async guard(work) {
    if (this.isLost) throw problem('lost', this.isLost.message);
    try {
      return await work();
    } catch (error) {
      await Promise.race([this.lost, new Promise((later) => setTimeout(later, 50))]);
      if (this.isLost) throw problem('lost', this.isLost.message);
      throw error;
    }
  }

  methodPlan(method, shape) {
    return `${method}/${shape.join('x')}`;
  }

  /** Which steps of which programs make what is shown. */
  async use(method, layer, sign) {
    const family = this.method(method).family;
    const shape = family === 'input' ? this.network.input : this.find(layer).shape;
    const backward = method === 'guided-backprop' ? await this.programOf('guided') : this.explainProgram;
    const own = await this.programOf(this.methodPlan(method, shape));
    const levels = await this.programOf(`levels/${shape[0]}x${shape[1]}`);
    const last = own.steps.length - 1;
    const at = (program, is) => ({ program, steps: program.steps.filter(is).map(({ step }) => step) });
    const sum = own.steps.findLastIndex(({ operation }) => ['channel_sum', 'principal'].includes(operation));
    this.stages = {
      forward: at(this.explainProgram, ({ step }) => step < this.forwardSteps),
      gradient: at(backward, ({ step }) => step >= this.forwardSteps),
      mean: at(own, ({ step }) => step < sum),
      sum: at(own, ({ step }) => step === sum),
      relu: at(own, ({ step }) => step > sum && step <= last),
      upsample: at(levels, ({ operation }) => operation !== 'elementwise' && operation !== 'heatmap_to_gray'),
      levels: at(levels, ({ layer: name }) => name === 'levels'),
      dice: at(await this.programOf('dice'), () => true),
    };
    this.stages.upsample = at(levels, ({ layer: name }) => name === 'resized');
    if (this.stages.relu.steps.length === 0) this.stages.relu = at(levels, ({ layer: name }) => name === 'relu');
    Object.keys(this.stages).forEach((stage) => this.stages[stage].steps.length === 0 && delete this.stages[stage]);
  }

  // Forward, and back from the class as far as `names` need it, where that is not what was computed last.
  async gradients(program, input, wanted, sign, names) {
    const key = `${program.variables.version} ${[...program.replaced].flat().join()}`;
    const { last } = program;
    const to = Math.max(this.forwardSteps, ...names.map((name) => program.after(name)));
    const forward = last?.key === key && last.input.every((value, index) => value === input[index]);
    if (forward && last.sign === sign && (last.wanted === wanted || last.class === wanted)) {
      // The steps go on where they were left: nothing else has run in their memory.
      if (to > last.to) await program.run({ from: last.to, to });
      last.to = Math.max(to, last.to);
      return last;
    }
    program.last = null;
    // Where all layers are kept, what is there of the forward pass serves another class as well.
    const kept = forward && program === this.explainProgram && this.layers.every((layer) => layer.kept);
    if (!kept) program.write('images', input);
    let from = kept ? this.forwardSteps : 0;
    let logits = kept ? last.logits : null;
    if (wanted === null && sign < 0 && !kept) {
      await program.run({ to: this.forwardSteps });
      logits = await program.read('logits');
      from = this.forwardSteps;
    }
    const of = wanted ?? (logits && this.top(logits));
    const seed = new Float32Array(this.classes.length);
    // Without a class the plan takes that with the highest score.
    if (of !== null) seed[of] = sign;
    program.write('class', seed);
    await program.run({ from, to });
    logits ??= await program.read('logits');
    program.last = { key, wanted, sign, input: input.slice(), logits, class: of ?? this.top(logits), to };
    return program.last;
  }

  explain(asked) {
    return this.turn(() => this.guard(async () => {
      const start = performance.now();
      const request = defaults(asked, this.layer);
      this.expectClass(request.class);
      const layer = this.layerOf(request.method, request.layer);
      this.asked = request.layer;
      const input = this.input(request);
      const back = request.method === 'guided-backprop' ? await this.programOf('guided') : this.explainProgram;
      const shape = layer === 'images' ? this.network.input : this.find(layer).shape;
      const names = layer === 'images' ? ['gradient/images'] : [layer, `gradient/${layer}`];
      if (request.method === 'cam') names.push('gradient/pooled');
      const run = await this.gradients(back, input, request.class, request.sign, names);
      this.request = { ...request, input, class: run.class };
      const read = await back.readAll(names);
      const [activation, gradient] = layer === 'images' ? [input, read[0]] : read;
      const own = await this.programOf(this.methodPlan(request.method, shape));
      if (own.has('activation')) own.write('activation', activation);
      if (own.has('gradient')) own.write('gradient', gradient);
      if (request.method === 'cam') own.write('weights', read[2]);
      own.submit();
      let [sum, map] = await own.readAll(['sum', 'map']);
      // A method that knows no gradient has its map turned for what speaks against the class.
      if (request.sign < 0 && this.method(request.method).family === 'activation') [sum, map] = [sum, map].map((data) => data.map((value) => -value));
      const weights = own.has('weights') ? (request.method === 'cam' ? read[2] : await own.read('weights')) : null;
      await this.use(request.method, request.layer, request.sign);
      // While the first map is looked at, what other layers need is compiled.
      this.completing ??= later().then(() => this.explainProgram.complete()).catch(() => {});
      const grey = await this.levels(request.normalisation === 'relu-max' ? map : sum, shape, request);
      return this.answer(request, {
        input, logits: run.logits, class: run.class, layer, shape, activation, gradient, weights, sum, map, ...grey,
        milliseconds: performance.now() - start, where: 'GPU',
      });
    }));
  }

  async levels(map, [h, w], request) {
    const { width, height, normalisation } = request;
    if (normalisation !== 'relu-max' || width * height > this.data.pixels) return { ...this.levelsOf(map, [h, w], request), levelsWhere: 'processor' };
    const program = await this.programOf(`levels/${h}x${w}`);
    program.write('map', map);
    program.write('regions', Float32Array.of(0, height, width));
    program.submit();
    const [up, grey] = await program.readAll(['resized', 'levels']);
    const cut = up.slice(0, width * height);
    return { up: cut, least: 0, most: cut.reduce((a, b) => Math.max(a, b), 0), levels: Uint8Array.from(grey.subarray(0, width * height)), levelsWhere: 'GPU' };
  }

  /** Scores alone. */
  forward(asked) {
    return this.turn(() => this.guard(async () => {
      const start = performance.now();
      const input = this.input(asked);
      this.explainProgram.last = null;
      this.explainProgram.write('images', input);
      await this.explainProgram.run({ to: this.forwardSteps });
      const logits = await this.explainProgram.read('logits');
      return { input, logits, probabilities: this.probabilities(logits), class: this.top(logits), milliseconds: performance.now() - start, where: 'GPU' };
    }));
  }

  kept(layer) {
    return this.turn(() => this.guard(async () => {
      if (!this.request) throw problem('usage', 'Nothing was explained yet.');
      await this.gradients(this.explainProgram, this.request.input, this.request.class, this.request.sign, [layer]);
      return this.explainProgram.read(layer);
    }));
  }

  async activationOf(layer) {
    if (layer === 'images') return { data: this.request.input, shape: this.network.input };
    const { shape, kept } = this.find(layer);
    if (!kept) throw problem('usage', `The values of ${layer} are not kept: there is no room for all layers of this network.`);
    return { data: await this.kept(layer), shape };
  }

  async gradientOf(layer) {
    const { shape, explainable } = layer === 'images' ? { shape: this.network.input, explainable: true } : this.find(layer);
    if (!explainable) throw problem('usage', `There is no gradient of ${layer} here.`);
    return { data: await this.kept(`gradient/${layer}`), shape };
  }

  /** A variable: `{data, shape}`. */
  weight(name) {
    return this.explainProgram.variables.get(name);
  }

  /** New random weights for a layer; without one all trained weights again. */
  async randomise(layer = null) {
    const { variables } = this.explainProgram;
    if (layer === null) {
      variables.reset();
      this.randomised.clear();
      return;
    }
    this.draws = (this.draws ?? 0) + 1;
    const draw = random(this.draws);
    for (const name of weightsOf(this.find(layer))) variables.write(name, fresh(variables.find(name), draw));
    this.randomised.add(layer);
  }

  dice(levels, mask) {
    return this.turn(() => this.guard(async () => {
      expectSame(levels, mask);
      if (levels.length > this.data.pixels) return { ...reference.dice(levels, mask), where: 'processor' };
      const program = await this.programOf('dice');
      program.write('levels', Float32Array.from(levels));
      program.write('mask', Float32Array.from(mask, (one) => (one ? 1 : 0)));
      program.write('regions', Float32Array.of(0, 1, levels.length));
      program.submit();
      const dice = Float64Array.from(await program.read('dice'));
      return { dice, meanDice: dice.reduce((a, b) => a + b, 0) / 256, where: 'GPU' };
    }));
  }
}

/** What a layer may have random: not its statistics. */
function weightsOf({ details }) {
  return ['weights', 'bias', 'gamma', 'beta'].map((key) => details[key]).filter(Boolean);
}

function expectSame(levels, mask) {
  if (levels.length !== mask.length) throw problem('usage', `The outline has ${mask.length} pixels, the heatmap ${levels.length}.`);
}

class Recorded extends Lesson {
  constructor(data, plans, reason) {
    super(data, plans);
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

  async reopen({ onProgress } = {}) {
    return openLesson(this.data, { onProgress });
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
    const picture = this.pictures.find(({ id }) => id === request.picture);
    const recorded = picture?.recorded;
    const shape = this.find(this.layer).shape;
    if (recorded) {
      const logits = Float32Array.from(recorded.logits);
      const of = request.class ?? this.top(logits);
      const kept = recorded.gradient[of];
      if (kept) {
        const activation = await inflate(recorded.activation);
        const gradient = kept.positions ? await inflate(kept.positions) : spread(await inflate(kept.channels), shape);
        return { logits, class: of, activation, gradient: turned(gradient, request.sign), where: 'recorded' };
      }
    }
    if (!this.computes || this.head === null) throw problem('recorded', 'Without WebGPU this page shows the included pictures alone, and of this one it has no values for that class.');
    const tensors = await this.layersOf(input);
    const logits = tensors.get(this.network.logits).data;
    const of = request.class ?? this.top(logits);
    const { data, shape: [, classes] } = this.weight(this.head);
    const [h, w, c] = shape;
    const slopes = Float32Array.from({ length: c }, (_, k) => data[k * classes + of] / (h * w));
    return { logits, class: of, activation: tensors.get(this.layer).data, gradient: turned(spread(slopes, shape), request.sign), where: 'processor' };
  }

  explain(asked) {
    return this.turn(async () => {
      const start = performance.now();
      const request = defaults(asked, this.layer);
      this.expectClass(request.class);
      const layer = this.layerOf(request.method, request.layer);
      if (layer !== this.layer) throw problem('recorded', `Without WebGPU only the layer ${this.layer} is explained.`);
      const input = this.input(request);
      const found = await this.material(request, input);
      this.request = { ...request, input, class: found.class };
      const shape = this.find(layer).shape;
      const { weights, sum } = request.method === 'cam'
        ? this.cam(found, shape)
        : reference.METHODS[request.method](found.activation, found.gradient, shape, request.sign);
      const levels = this.levelsOf(sum, shape, request);
      return this.answer(request, {
        ...found, input, layer, shape, weights: weights && Float32Array.from(weights), sum: Float32Array.from(sum),
        ...levels, levelsWhere: 'processor', milliseconds: performance.now() - start,
      });
    });
  }

  // The kernel of the dense layer is the gradient at the mean.
  cam({ activation, gradient }, shape) {
    const weights = reference.mean(gradient, shape).map((value) => value * shape[0] * shape[1]);
    return { weights, sum: reference.weightedSum(activation, weights, shape) };
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
    expectSame(levels, mask);
    return { ...reference.dice(levels, mask), where: 'processor' };
  }
}

/** What forward.js computes. */
const KINDS = new Set(['input', 'conv2d', 'depthwise_conv2d', 'dense', 'batch_norm', 'elementwise', 'max_pool', 'average_pool', 'global_average_pool']);

/** c numbers at each of h w positions. */
function spread(channels, [h, w, c]) {
  const out = new Float32Array(h * w * c);
  for (let p = 0; p < h * w; p += 1) out.set(channels, p * c);
  return out;
}

const turned = (data, sign) => (sign < 0 ? data.map((value) => -value) : data);
