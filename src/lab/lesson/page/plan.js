// Reads what `parula lesson` exported: docs/plan-format.md says what each field means.

/** base64 → Uint8Array. */
export function bytes(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) out[i] = text.charCodeAt(i);
  return out;
}

/** base64 of little-endian numbers of 32 bits → Float32Array. */
export function floats(base64) {
  return numbersOf(bytes(base64));
}

/** The same of numbers that were packed with gzip. */
export async function inflate(base64) {
  const unpacked = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream('gzip'));
  return numbersOf(new Uint8Array(await new Response(unpacked).arrayBuffer()));
}

function numbersOf(raw) {
  const view = new DataView(raw.buffer);
  return Float32Array.from({ length: raw.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** How many numbers a shape holds. */
export const elements = (shape) => shape.reduce((product, size) => product * size, 1);

/** Checks a document and gives access to its plans. */
export class Plans {
  constructor(document) {
    if (document?.format !== 'parula-plan' || document.version !== 1) {
      throw Object.assign(new Error(`This page reads plans of version 1, not ${document?.format} ${document?.version}.`), { kind: 'format' });
    }
    this.document = document;
    this.decoded = new Map();
  }

  /** Whether there is a plan of this name. */
  has(name) {
    return Object.hasOwn(this.document.plans, name);
  }

  plan(name) {
    if (!this.has(name)) throw new Error(`There is no plan ${name} in this page.`);
    return { name, ...this.document.plans[name] };
  }

  /** The numbers of all variables of one name, by role: fresh copies. What has no data starts at 0. */
  banks(name) {
    const { roles } = this.document.variables[name];
    if (!this.decoded.has(name)) {
      const data = Object.entries(roles).map(([role, bank]) => [role, bank.data ? floats(bank.data) : new Float32Array(bank.elements)]);
      this.decoded.set(name, new Map(data));
    }
    return new Map([...this.decoded.get(name)].map(([role, data]) => [role, data.slice()]));
  }

  /** `{name, role, offset, shape, start}` of each variable. */
  tensors(name) {
    return this.document.variables[name].tensors;
  }
}

/** Numbers that look random and are the same for a seed (mulberry32), in [0, 1). */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** How a variable starts before training: its numbers, drawn from `draw`. */
export function fresh({ start, shape }, draw) {
  const out = new Float32Array(elements(shape));
  if (typeof start?.constant === 'number') return out.fill(start.constant);
  if (typeof start?.normal === 'number') return out.map(() => start.normal * normal(draw));
  // What the network was given has no rule: as Glorot would start a kernel of this shape.
  const [last, before] = [shape.at(-1) ?? 1, shape.at(-2) ?? 1];
  const taps = elements(shape) / (last * before);
  const limit = start?.uniform ?? Math.sqrt(6 / Math.max(1, taps * (last + before)));
  return out.map(() => (2 * draw() - 1) * limit);
}

function normal(draw) {
  for (;;) {
    const value = Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
    if (Math.abs(value) <= 2) return value;
  }
}
