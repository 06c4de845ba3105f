// From a picture to what the network is given.

import { resized } from 'lesson/maths.js';

/** The grey level of pixel `i` of RGBA, as the native program has it. */
export const greyOf = (pixels, i) => Math.floor((299 * pixels[4 * i] + 587 * pixels[4 * i + 1] + 114 * pixels[4 * i + 2] + 500) / 1000);

/** A picture (RGBA, row by row) as (H, W, C): resized, and each channel scaled. */
export function networkInput({ pixels, width, height }, { input: [H, W, C], affine, order }) {
  const planes = { grey: [null], rgb: [0, 1, 2], bgr: [2, 1, 0] }[order];
  const found = planes.map((of) => {
    const plane = Float64Array.from({ length: width * height }, (_, i) => (of === null ? greyOf(pixels, i) : pixels[4 * i + of]));
    return resized(plane, [height, width], [H, W]);
  });
  const out = new Float32Array(H * W * C);
  for (let i = 0; i < H * W; i += 1) {
    for (let c = 0; c < C; c += 1) out[i * C + c] = (found[c] ?? found[0])[i] * affine[c][0] + affine[c][1];
  }
  return out;
}
