// A lesson on the GPU: which plan answers what, in which order they run, and what is kept of the last answer.

import { fresh, random } from 'lesson/plan.js';
import { problem } from 'lesson/device.js';
import { Program } from 'lesson/program.js';
import { Lesson } from 'lesson/lesson.js';
import { diceCurve } from 'lesson/maths.js';

const later = () => new Promise((done) => { setTimeout(done, 1500); });

/** A lesson whose numbers come from the exported plans. */
export class OnGpu extends Lesson {
  constructor(data, plans, gpu, reopen) {
    super(data, plans, reopen);
    const { device, adapter, software, timestamps, lost } = gpu;
    Object.assign(this, { mode: 'webgpu', reason: null, device, adapter, software, timestamps, lost, programs: new Map() });
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

  /** Whether something can be chosen here: everything. */
  offers(kind, value) {
    if (kind !== 'method') return true;
    const { layers } = this.method(value);
    return !layers || layers.includes(this.wanted ?? this.layer);
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
    const key = `${program.variables.version} ${program.kernels}`;
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

  /** `original`: as if no kernel was edited and every step ran by its own version. */
  explain(question, { original = false } = {}) {
    return this.turn(() => this.guard(() => this.plainly(original, async () => {
      const start = performance.now();
      const request = this.asked(question);
      const layer = this.layerOf(request.method, request.layer);
      this.wanted = request.layer;
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
    })));
  }

  /** All programs that there are so far. */
  opened() {
    return Promise.all(this.programs.values());
  }

  // Does `work` with the kernels as they came where `plain`.
  async plainly(plain, work) {
    const programs = plain ? await this.opened() : [];
    programs.forEach((program) => { program.plain = true; });
    try {
      return await work();
    } finally {
      programs.forEach((program) => { program.plain = false; });
    }
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
      this.expectSame(levels, mask);
      if (levels.length > this.data.pixels) return { ...diceCurve(levels, mask), where: 'processor' };
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
