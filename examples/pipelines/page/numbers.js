// The numbers of the page, and how right a result is.

import { inflate } from 'lesson/plan.js';

/** Unpacks base64 of gzip: `tensors` gives `[name, numbers]` of each tensor that is described by its columns. */
export async function unpack(base64) {
  const all = await inflate(base64);
  return { tensors: (described) => Object.entries(described).map(([name, columns]) => [name, assemble(all, columns)]) };
}

/** Columns side by side: `numbers` are some of the page's, `fill` is one number, `parts` counts up to 1 and starts anew. */
function assemble(all, { rows, columns }) {
  const parts = columns.map((column) => Object.entries(column)[0]);
  const width = parts.reduce((sum, [, [channels]]) => sum + channels, 0);
  const out = new Float32Array(rows * width);
  let first = 0;
  for (const [kind, [channels, of]] of parts) {
    for (let row = 0; row < rows; row += 1) {
      const at = row * width + first;
      if (kind === 'numbers') out.set(all.subarray(of + row * channels, of + (row + 1) * channels), at);
      else if (kind === 'fill') out.fill(of, at, at + channels);
      else for (let i = 0; i < channels; i += 1) out[at + i] = ((row * channels + i) % of + 1) / of;
    }
    first += channels;
  }
  return out;
}

/** How far `found` is from `truth`, relative to the largest magnitude: `{error, why}`, `why` where that is more than `tolerance`. */
export function difference(found, truth, tolerance) {
  if (found.length !== truth.length) return { error: Infinity, why: `${found.length} numbers instead of ${truth.length}` };
  const scale = truth.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  let [error, worst] = [0, 0];
  for (let i = 0; i < truth.length; i += 1) {
    // Infinities have no difference, and what is no number is as wrong as can be.
    const apart = found[i] === truth[i] ? 0 : Math.abs(found[i] - truth[i]) / scale;
    const wrong = Number.isNaN(apart) ? Infinity : apart;
    if (wrong > error) [error, worst] = [wrong, i];
  }
  const why = error > tolerance ? `element ${worst} is ${found[worst]}, the reference says ${truth[worst]}` : null;
  return { error, why };
}
