// A plan bound to a device: buffers, pipelines and bind groups are made once; a run records the list of dispatches.
//
// Two programs on one device share compiled kernels, and those with the same variables share these, too. A kernel can be
// edited, and a step can be run by another of its versions: a rung of its ladder. `plain` makes a run forget both.

import { Plans, elements } from 'lesson/plan.js';
import { isProcessor, problem, watched } from 'lesson/device.js';
import { forProcessor } from 'lesson/processor.js';
import { STORAGE, Variables, sharedBy } from 'lesson/variables.js';

const UNIFORM = 0x40 | 0x8;
const READ = 0x1 | 0x8;

export class Program {
  /**
   * Compiles the kernels of a plan, all of them at once, and allocates its memory. With `until`, the name of an output,
   * only those that it needs: the others are compiled when they are run, or by `complete`.
   */
  static async create(device, plans, name, { onProgress = () => {}, until = null } = {}) {
    const program = new Program(device, plans instanceof Plans ? plans : new Plans(plans), name);
    await watched(device, `Preparing ${name}`, () => program.#open(onProgress, until));
    return program;
  }

  constructor(device, plans, name) {
    this.device = device;
    this.plans = plans;
    this.plan = plans.plan(name);
    this.name = name;
    this.cache = sharedBy(device, plans);
    /** Edited kernels by the name of their shader: {text, module, pipelines by number}. */
    this.edits = new Map();
    /** By step: the rung that runs in place of its own dispatches. */
    this.rungs = new Map();
    this.plain = false;
    this.processor = isProcessor(device);
    this.once = -1;
  }

  async #open(onProgress, until) {
    const { device, plan, plans } = this;
    if (plan.variables) {
      const { variables } = this.cache;
      if (!variables.has(plan.variables)) variables.set(plan.variables, new Variables(device, plans, plan.variables));
      this.variables = variables.get(plan.variables);
    }
    this.buffers = plan.buffers.map(({ of, role, bytes }) => (
      of === 'variables' ? this.variables.buffers.get(role) : device.createBuffer({ label: `${this.name}: ${of}`, size: bytes, usage: STORAGE })));
    this.pipelines = new Map();
    this.groups = new Map();
    this.#uniforms();
    await this.#compile(this.#numbers(until === null ? plan.steps.length : this.after(until)), onProgress);
    this.tensors = new Map([...plan.inputs, ...plan.outputs].map((port) => [port.name, port.shape]));
    this.steps = plan.steps.map((step, index) => this.#describe(step, index));
  }

  // What a step runs by where nothing else was chosen.
  #usual(step) {
    return this.processor ? forProcessor(this.plans.document, this.plan, step) : step;
  }

  // The dispatches of a step, by what was chosen for it.
  #dispatches(step, plain = this.plain) {
    return ((plain ? null : this.rungs.get(step)) ?? this.#usual(step)).dispatches;
  }

  // The pipelines of what runs once and of the steps up to, and without, `to`.
  #numbers(to) {
    const steps = [...this.plan.once, ...this.plan.steps.slice(0, to)];
    return this.#pipelinesFor(steps.flatMap((step) => [...this.#dispatches(step, false), ...this.#dispatches(step, true)]));
  }

  #pipelinesFor(dispatches) {
    return [...new Set(dispatches.map((number) => this.plan.dispatches[number].pipeline))];
  }

  async #compile(wanted, onProgress = () => {}) {
    const edited = (number) => this.edits.get(this.#shaderName(this.plans.document.pipelines[number].shader));
    const numbers = wanted.filter((number) => !this.pipelines.has(number) || edited(number)?.pipelines.has(number) === false);
    let done = 0;
    await Promise.all(numbers.map(async (number) => {
      const { pipelines } = this.cache;
      const { shader, entry } = this.plans.document.pipelines[number];
      if (!pipelines.has(number)) pipelines.set(number, this.#pipeline(number, this.#module(shader)));
      try {
        const pipeline = await pipelines.get(number);
        const edit = edited(number);
        if (edit) edit.pipelines.set(number, await this.#pipeline(number, edit.module));
        this.pipelines.set(number, pipeline);
      } catch (error) {
        pipelines.delete(number);
        throw error;
      }
      done += 1;
      onProgress(done, numbers.length, entry);
    }));
  }

  /** Compiles what is not compiled yet. */
  complete(onProgress) {
    return this.#compile(this.#numbers(this.plan.steps.length), onProgress);
  }

  #module(shader) {
    const { modules } = this.cache;
    const { name, wgsl } = this.plans.document.shaders[shader];
    if (!modules.has(shader)) modules.set(shader, this.device.createShaderModule({ label: name, code: wgsl }));
    return modules.get(shader);
  }

  #pipeline(number, module) {
    const { entry, constants } = this.plans.document.pipelines[number];
    return this.device.createComputePipelineAsync({ label: entry, layout: 'auto', compute: { module, entryPoint: entry, constants } });
  }

  // All uniform blocks stand in one buffer, 256 bytes apart at least.
  #uniforms() {
    let at = 0;
    this.uniformAt = new Map();
    for (const dispatch of this.plan.dispatches) {
      if (!dispatch.uniform) continue;
      this.uniformAt.set(dispatch, at);
      at = Math.ceil((at + 4 * dispatch.uniform[1].length) / 256) * 256;
    }
    const words = new Uint32Array(Math.max(64, at / 4));
    for (const [dispatch, start] of this.uniformAt) words.set(dispatch.uniform[1], start / 4);
    this.uniforms = this.device.createBuffer({ label: `${this.name}: uniforms`, size: words.byteLength, usage: UNIFORM });
    this.device.queue.writeBuffer(this.uniforms, 0, words);
  }

  // Bind groups belong to their pipelines: each is made when its dispatch is recorded first.
  #group(number, pipeline) {
    if (!this.groups.has(pipeline)) this.groups.set(pipeline, new Map());
    const of = this.groups.get(pipeline);
    if (!of.has(number)) {
      const dispatch = this.plan.dispatches[number];
      const entries = dispatch.bindings.map(([binding, buffer, offset, size]) => ({ binding, resource: { buffer: this.buffers[buffer], offset, size } }));
      if (dispatch.uniform) {
        const [binding, words] = dispatch.uniform;
        entries.push({ binding, resource: { buffer: this.uniforms, offset: this.uniformAt.get(dispatch), size: 4 * words.length } });
      }
      of.set(number, this.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    }
    return of.get(number);
  }

  // The pipeline of that number, the edited one where there is one.
  #current(number) {
    const edit = this.plain ? null : this.edits.get(this.#shaderName(this.plans.document.pipelines[number].shader));
    return edit?.pipelines.get(number) ?? this.pipelines.get(number);
  }

  #record(pass, dispatches) {
    for (const number of dispatches) {
      const dispatch = this.plan.dispatches[number];
      const pipeline = this.#current(dispatch.pipeline);
      if (!pipeline) throw new Error(`A kernel of ${this.name} is not compiled yet.`);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, this.#group(number, pipeline));
      pass.dispatchWorkgroups(...dispatch.workgroups);
    }
  }

  // Two texts of one file, with other constants in them, are two shaders: `conv2d`, `conv2d 2`.
  #shaderName(number) {
    const { shaders } = this.plans.document;
    const { name } = shaders[number];
    const before = shaders.slice(0, number).filter((other) => other.name === name).length;
    return before === 0 ? name : `${name} ${before + 1}`;
  }

  // The pipelines of a shader that steps run, by themselves or by the rung that is chosen.
  #pipelinesOf(shader) {
    return this.#numbers(this.plan.steps.length).filter((number) => this.#shaderName(this.plans.document.pipelines[number].shader) === shader);
  }

  #describe(step, index) {
    const usual = this.#usual(step);
    const others = step.rungs ?? [];
    // From naive to fast: what needs a feature comes last.
    const rungs = [...others.filter(({ feature }) => !feature), step, ...others.filter(({ feature }) => feature)].map((rung) => ({
      ...this.#kernel(rung.dispatches), variant: rung.variant, feature: rung.feature ?? null, own: rung === usual, of: rung,
      there: !rung.feature || this.device.features.has(rung.feature),
    }));
    return {
      ...this.#kernel(usual.dispatches), step: index, layer: step.layer, operation: step.operation, what: step.what, case: step.case, variant: usual.variant,
      inputs: step.inputs, output: { name: step.layer, shape: step.shape }, flops: step.flops, bytes: step.bytes, rungs,
    };
  }

  // What most workgroups run of these dispatches, to be shown.
  #kernel(numbers) {
    const { document } = this.plans;
    const dispatches = numbers.map((number) => this.plan.dispatches[number]);
    const groups = ({ workgroups: [x, y, z] }) => x * y * z;
    const main = dispatches.reduce((most, one) => (most && groups(most) >= groups(one) ? most : one), null);
    const pipeline = main && document.pipelines[main.pipeline];
    const shader = pipeline && document.shaders[pipeline.shader];
    return {
      shader: pipeline && this.#shaderName(pipeline.shader), tiles: shader?.tiles ?? [], files: shader?.files ?? [], wgsl: shader?.wgsl ?? '',
      entry: pipeline?.entry ?? null, constants: pipeline?.constants ?? {}, grid: main?.workgroups ?? [0, 0, 0],
      dispatches: dispatches.map((dispatch) => ({ entry: document.pipelines[dispatch.pipeline].entry, grid: dispatch.workgroups })),
    };
  }

  #port(name) {
    const found = this.plan.outputs.find((port) => port.name === name) ?? this.plan.inputs.find((port) => port.name === name);
    if (!found) throw new Error(`The plan ${this.name} has no tensor ${name}.`);
    return found;
  }

  /** Whether the host may read a tensor of this name. */
  has(name) {
    return this.tensors.has(name);
  }

  /** After how many steps a tensor is there. */
  after(name) {
    return this.#port(name).after ?? 0;
  }

  /** Writes an input. */
  write(name, data) {
    const { buffer, offset, shape } = this.#port(name);
    if (data.length > elements(shape)) throw new Error(`${name} takes ${elements(shape)} numbers, ${data.length} were given.`);
    this.device.queue.writeBuffer(this.buffers[buffer], 4 * offset, data);
  }

  /** Runs the steps from `from` up to, and without, `to`. */
  async run({ from = 0, to = this.plan.steps.length } = {}) {
    await this.#compile(this.#numbers(to));
    await watched(this.device, `Running ${this.name}`, () => this.submit({ from, to }));
  }

  /** The same without looking for errors, of what is compiled. */
  submit({ from = 0, to = this.plan.steps.length } = {}) {
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    if (from === 0 && this.once !== (this.variables?.version ?? 0)) {
      this.#record(pass, this.plan.once.flatMap((step) => this.#dispatches(step)));
      this.once = this.variables?.version ?? 0;
    }
    this.#record(pass, this.plan.steps.slice(from, to).flatMap((step) => this.#dispatches(step)));
    pass.end();
    this.device.queue.submit([encoder.finish()]);
  }

  /** A tensor of the last run, its rows side by side. */
  async read(name) {
    return (await this.readAll([name]))[0];
  }

  /** Several with one transfer. */
  async readAll(names) {
    const ports = names.map((name) => this.#port(name));
    let at = 0;
    const ranges = ports.map(({ offset, stride, shape }) => {
      const channels = shape.at(-1) ?? 1;
      const rows = elements(shape) / Math.max(1, channels);
      const range = { at, rows, channels, stride, offset, bytes: 4 * (Math.max(0, rows - 1) * stride + channels) };
      at += Math.ceil(range.bytes / 8) * 8;
      return range;
    });
    const staging = this.device.createBuffer({ label: 'read', size: Math.max(8, at), usage: READ });
    const encoder = this.device.createCommandEncoder();
    ranges.forEach((range, i) => encoder.copyBufferToBuffer(this.buffers[ports[i].buffer], 4 * range.offset, staging, range.at, range.bytes));
    this.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(1);
    } catch (error) {
      throw problem('lost', 'The GPU was lost while its numbers were read.');
    }
    const all = staging.getMappedRange();
    const found = ranges.map((range) => {
      const raw = new Float32Array(all, range.at, range.bytes / 4);
      if (range.stride === range.channels) return raw.slice();
      const dense = new Float32Array(range.rows * range.channels);
      for (let row = 0; row < range.rows; row += 1) dense.set(raw.subarray(row * range.stride, row * range.stride + range.channels), row * range.channels);
      return dense;
    });
    staging.unmap();
    staging.destroy();
    return found;
  }

  /**
   * Compiles `text` in the place of a shader and uses it in this program until `restore`.
   * `{ok, errors: [{line, column, message}]}`: where it does not compile, nothing changes.
   */
  async replace(shader, text) {
    const numbers = this.#pipelinesOf(shader);
    if (numbers.length === 0) return { ok: false, errors: [{ line: 1, column: 1, message: `${this.name} runs no kernel of ${shader}` }] };
    const before = this.edits.get(shader);
    this.edits.delete(shader);
    await this.#compile(numbers);
    const { device } = this;
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ label: `${shader}, edited`, code: text });
    const info = await module.getCompilationInfo();
    const refused = await device.popErrorScope();
    const errors = info.messages.filter(({ type }) => type === 'error').map(({ lineNum, linePos, message }) => ({ line: lineNum || 1, column: linePos || 1, message }));
    if (errors.length === 0 && refused) errors.push({ line: 1, column: 1, message: refused.message });
    const refuse = (list) => {
      if (before) this.edits.set(shader, before);
      return { ok: false, errors: list };
    };
    if (errors.length > 0) return refuse(errors);
    try {
      const pipelines = new Map(await Promise.all(numbers.map(async (number) => [number, await this.#pipeline(number, module)])));
      await watched(device, shader, async () => {
        // Bindings that the text has no more are refused here.
        this.plan.dispatches.forEach(({ pipeline }, number) => pipelines.has(pipeline) && this.#group(number, pipelines.get(pipeline)));
      });
      this.edits.set(shader, { text, module, pipelines });
    } catch (error) {
      return refuse([{ line: 1, column: 1, message: error.message }]);
    }
    this.once = -1;
    return { ok: true, errors: [] };
  }

  /** The shader as it came. */
  restore(shader) {
    this.edits.delete(shader);
    this.once = -1;
  }

  /** Runs a step by another rung of its ladder, one of `steps[step].rungs`, until it is chosen anew; null: by its own. */
  async choose(step, rung = null) {
    const own = this.plan.steps[step];
    if (rung && !rung.there) throw problem('limits', `${rung.variant} needs ${rung.feature}, which this browser or adapter has not.`);
    const before = this.rungs.get(own);
    if (!rung || rung.own) this.rungs.delete(own);
    else this.rungs.set(own, rung.of);
    try {
      await watched(this.device, `Compiling ${rung?.variant ?? own.variant}`, () => this.#compile(this.#pipelinesFor(this.#dispatches(own, false))));
    } catch (error) {
      if (before) this.rungs.set(own, before);
      else this.rungs.delete(own);
      throw error;
    }
  }

  /** What a step runs by now: one of its rungs. */
  chosen(step) {
    const of = this.rungs.get(this.plan.steps[step]);
    return this.steps[step].rungs.find((rung) => (of ? rung.of === of : rung.own));
  }

  /** What tells runs of other kernels apart. */
  get kernels() {
    if (this.plain) return '';
    const rungs = [...this.rungs].map(([step, rung]) => `${this.plan.steps.indexOf(step)} by ${rung.variant}`);
    return [...[...this.edits].map(([shader, { text }]) => shader + text), ...rungs].join();
  }

  /** Milliseconds that one run of a step takes: by the GPU's timestamps where there are, else by the clock. */
  async time(step, { repeats = 10 } = {}) {
    const one = this.plan.steps[step];
    const dispatches = one ? this.#dispatches(one) : [];
    if (dispatches.length === 0) return 0;
    await this.#compile(this.#numbers(step + 1));
    // A step that runs by itself reads what others have left in the memory that they share: results are gone.
    this.last = null;
    const { device } = this;
    const query = device.features.has('timestamp-query') ? device.createQuerySet({ type: 'timestamp', count: 2 }) : null;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass(query ? { timestampWrites: { querySet: query, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } } : {});
    for (let i = 0; i < repeats; i += 1) this.#record(pass, dispatches);
    pass.end();
    if (!query) {
      await device.queue.onSubmittedWorkDone();
      const start = performance.now();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return (performance.now() - start) / repeats;
    }
    const resolved = device.createBuffer({ size: 16, usage: 0x200 | 0x4 }); // QUERY_RESOLVE | COPY_SRC
    const staging = device.createBuffer({ size: 16, usage: READ });
    encoder.resolveQuerySet(query, 0, 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    const [from, to] = new BigUint64Array(staging.getMappedRange().slice(0));
    [staging, resolved, query].forEach((one) => one.destroy());
    return Number(to - from) / 1e6 / repeats;
  }

  /** Gives the memory back; variables stay with the programs that share them. */
  destroy() {
    this.plan.buffers.forEach(({ of }, i) => of !== 'variables' && this.buffers[i].destroy());
    this.uniforms.destroy();
  }
}
