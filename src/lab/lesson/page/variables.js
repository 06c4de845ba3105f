// What programs on a device share: compiled kernels of a document, and the variables of a network.

import { elements } from 'lesson/plan.js';

const shared = new WeakMap();

/** `{modules, pipelines, variables}` of a document on a device, by number and by name. */
export function sharedBy(device, plans) {
  if (!shared.has(device)) shared.set(device, new Map());
  const of = shared.get(device);
  if (!of.has(plans.document)) of.set(plans.document, { modules: new Map(), pipelines: new Map(), variables: new Map() });
  return of.get(plans.document);
}

/** Of a storage buffer that is copied from and to. */
export const STORAGE = 0x80 | 0x4 | 0x8; // STORAGE | COPY_SRC | COPY_DST

/** The variables of a network on a device. `version` counts changes: what was derived from them is then stale. */
export class Variables {
  constructor(device, plans, name) {
    this.device = device;
    this.plans = plans;
    this.name = name;
    this.version = 0;
    this.banks = plans.banks(name);
    this.buffers = new Map();
    for (const [role, data] of this.banks) {
      const size = Math.max(256, Math.ceil(data.byteLength / 256) * 256);
      this.buffers.set(role, device.createBuffer({ label: `${name}: ${role}`, size, usage: STORAGE }));
    }
    this.reset();
  }

  /** The numbers that the page came with. */
  reset() {
    this.banks = this.plans.banks(this.name);
    for (const [role, data] of this.banks) this.device.queue.writeBuffer(this.buffers.get(role), 0, data);
    this.version += 1;
  }

  find(name) {
    const found = this.plans.tensors(this.name).find((tensor) => tensor.name === name);
    if (!found) throw new Error(`There is no variable ${name}.`);
    return found;
  }

  write(name, data) {
    const { role, offset } = this.find(name);
    this.banks.get(role).set(data, offset);
    this.device.queue.writeBuffer(this.buffers.get(role), 4 * offset, data);
    this.version += 1;
  }

  /** The numbers that were written last; a training changes them on the device alone. */
  get(name) {
    const { role, offset, shape } = this.find(name);
    return { data: this.banks.get(role).subarray(offset, offset + elements(shape)), shape };
  }
}
