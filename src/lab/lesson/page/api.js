// `window.parula`: the numbers of the page, for tests and for the console.
//
//   await parula.run({image, class, layer, method}) → {adapter, logits, map, shape, levels, dice, meanDice, milliseconds}

import { readPicture } from 'lesson/pixels.js';

/** Sets `window.parula` for the lesson that `opening` resolves to. */
export function expose(opening, data) {
  const parula = { adapter: undefined, lessonData: () => data, ready: opening.then((lesson) => { parula.adapter = lesson.adapter; return true; }), lesson: opening, run };
  // Whoever opens the lesson is told of its errors.
  parula.ready.catch(() => {});
  window.parula = parula;

  /**
   * `image`: the id of an included picture, a data URL, a Blob, or {width, height, data: RGBA}. Without `class` that with
   * the highest score, without `layer` and `method` those of the page. `mask`: 0 and not 0 for each pixel, or a picture;
   * without it the outline of an included picture. `map` is as `parula cam` writes it, `levels` as its PNG.
   */
  async function run({ image = data.pictures[0]?.id, class: of = null, layer, method, sign, normalisation, mask } = {}) {
    const lesson = await opening;
    const included = data.pictures.find(({ id }) => id === image);
    const { pixels, width, height } = await readPicture(included ? included.png : image);
    const index = typeof of === 'string' && lesson.classes.includes(of) ? lesson.classes.indexOf(of) : of;
    const found = await lesson.explain({ pixels, width, height, picture: included?.id ?? null, class: index, layer, method, sign, normalisation });
    const truth = await maskOf(mask ?? included?.outline ?? null);
    const scores = truth ? await lesson.dice(found.levels, truth) : null;
    const [h, w] = found.shape;
    return {
      adapter: lesson.adapter, logits: [...found.logits], probabilities: [...found.probabilities], class: found.class, layer: found.layer, method: found.method,
      map: [...(found.normalisation === 'relu-max' ? found.map : found.sum)], shape: [h, w], levels: [...found.levels], size: [height, width],
      dice: scores ? [...scores.dice] : null, meanDice: scores ? scores.meanDice : null, milliseconds: found.milliseconds, where: found.where,
    };
  }
}

async function maskOf(mask) {
  if (mask === null || ArrayBuffer.isView(mask) || Array.isArray(mask)) return mask;
  const { pixels } = await readPicture(mask);
  return Uint8Array.from({ length: pixels.length / 4 }, (_, i) => (pixels[4 * i] ? 1 : 0));
}
