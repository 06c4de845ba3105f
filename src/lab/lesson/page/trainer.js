// Trains a small network on included ROIs: the plan of a training step, run as often as one likes.
//
// Before each step the host writes the images, the labels, the eight numbers of the optimiser and the gradient of the
// loss with respect to itself; it reads the loss. Everything else happens on the GPU.

import { Plans, bytes, elements, fresh, random } from 'lesson/plan.js';
import { Program } from 'lesson/program.js';
import { readPicture } from 'lesson/pixels.js';
import { probabilities } from 'lesson/maths.js';

export class Trainer {
  static async open(device, data, { seed = data.training.seed, rate = data.training.rate, onProgress } = {}) {
    const trainer = new Trainer(device, data);
    await trainer.#open(onProgress);
    await trainer.reset({ seed, rate });
    return trainer;
  }

  constructor(device, data) {
    this.device = device;
    this.data = data;
    const { batch, size, images, labels, classes } = data.training;
    Object.assign(this, { batch, size, labels, classes, stepCount: 0, queue: Promise.resolve() });
    this.area = size[0] * size[1];
    this.images = bytes(images);
  }

  async #open(onProgress) {
    const { training, program } = this.data;
    const plans = new Plans(program);
    const counts = [[0, 0], [0, 0]];
    const report = (at) => (done, total, name) => {
      counts[at] = [done, total];
      onProgress?.(counts[0][0] + counts[1][0], counts[0][1] + counts[1][1], name);
    };
    [this.train, this.watch] = await Promise.all([training.plan, training.watch].map((name, at) => Program.create(this.device, plans, name, { onProgress: report(at) })));
    this.variables = this.train.variables;
    this.heldOut = await Promise.all(training.heldOut.map(async (one) => {
      const { pixels, width, height } = await readPicture(one.png);
      const outline = one.outline ? (await readPicture(one.outline)).pixels : null;
      return {
        id: one.id, class: one.class, width, height, pixels, small: bytes(one.small),
        outline: outline && Uint8Array.from({ length: width * height }, (_, i) => (outline[4 * i] ? 1 : 0)),
      };
    }));
    const count = this.heldOut.length;
    this.watch.write('images', this.#numbers(this.heldOut.flatMap(({ small }) => [...small])));
    // What speaks for the second class, "abnormal", in each of them.
    this.watch.write('class', Float32Array.from({ length: 2 * count }, (_, i) => i % 2));
  }

  #numbers(levels) {
    return Float32Array.from(levels, (level) => level / 127.5 - 1);
  }

  #turn(work) {
    const next = this.queue.then(work);
    this.queue = next.catch(() => {});
    return next;
  }

  set({ rate }) {
    if (rate !== undefined) this.rate = rate;
  }

  /** Begins anew. The seed that came with the page has the native program's first weights; any other draws its own. */
  reset({ seed = this.seed, rate = this.rate } = {}) {
    return this.#turn(async () => {
      Object.assign(this, { seed, rate, stepCount: 0 });
      this.variables.reset();
      if (seed === this.data.training.seed) return;
      const draw = random(seed);
      for (const tensor of this.train.plans.tensors(this.data.training.variables)) {
        if (tensor.role === 'trainable') this.variables.write(tensor.name, fresh(tensor, draw));
      }
    });
  }

  /** One step: `{step, loss, rate, milliseconds}`; the loss is that before the step. */
  step() {
    return this.#turn(async () => {
      const start = performance.now();
      const chosen = order(this.stepCount, this.labels.length, this.batch, this.seed);
      const levels = new Uint8Array(this.batch * this.area);
      const targets = new Float32Array(this.batch * this.classes.length);
      chosen.forEach((at, row) => {
        levels.set(this.images.subarray(at * this.area, (at + 1) * this.area), row * this.area);
        targets[row * this.classes.length + this.labels[at]] = 1;
      });
      this.stepCount += 1;
      const { rate } = this;
      this.train.write('images', this.#numbers(levels));
      this.train.write('labels', targets);
      this.train.write('hyper', hyper(this.data.training.optimizer, rate, this.stepCount));
      this.train.write('one', Float32Array.of(1));
      await this.train.run();
      // What the watching plan derives from the weights is stale now.
      this.variables.version += 1;
      const [loss] = await this.train.read('loss');
      return { step: this.stepCount, loss, rate, milliseconds: performance.now() - start };
    });
  }

  /** For each ROI that is held out: the Grad-CAM map of "abnormal" as (h, w), and its probability. */
  maps() {
    return this.#turn(async () => {
      await this.watch.run();
      const [logits, map] = await this.watch.readAll(['logits', 'map']);
      const [count, h, w] = this.watch.tensors.get('map');
      const area = elements([h, w]);
      return Array.from({ length: count }, (_, i) => {
        const scores = logits.subarray(2 * i, 2 * i + 2);
        return { map: map.slice(i * area, (i + 1) * area), shape: [h, w], logits: [...scores], probability: probabilities(scores, 'usual')[1] };
      });
    });
  }

  close() {
    this.train.destroy();
    this.watch.destroy();
  }
}

/** The numbers of Adam for update number `step`, from 1 (Kingma and Ba 2015). */
export function hyper({ beta1, beta2, epsilon }, rate, step) {
  const correction = (beta) => 1 - beta ** step;
  return Float32Array.of(1 - beta1, 1 - beta2, (rate * Math.sqrt(correction(beta2))) / correction(beta1), epsilon, 0, 0, 1, 0);
}

/** Which images step `step`, from 0, takes: whole batches of an order drawn by xorshift32, as the native program draws it. */
export function order(step, count, batch, seed) {
  const batches = Math.max(1, Math.floor(count / batch));
  const epoch = Math.floor(step / batches);
  let state = Math.max(1, (Math.imul(seed, 2654435761) ^ Math.imul(epoch, 40503)) >>> 0);
  const draw = () => {
    state = (state ^ (state << 13)) >>> 0;
    state = (state ^ (state >>> 17)) >>> 0;
    state = (state ^ (state << 5)) >>> 0;
    return state;
  };
  for (let i = 0; i < 8; i += 1) draw();
  const all = Array.from({ length: count }, (_, i) => i);
  for (let last = count - 1; last > 0; last -= 1) {
    const at = draw() % (last + 1);
    [all[last], all[at]] = [all[at], all[last]];
  }
  const first = (step % batches) * batch;
  return all.slice(first, first + batch);
}
