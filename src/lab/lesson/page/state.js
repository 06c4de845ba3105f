// What the page shows, in one object, and who wants to know when it changes.
//
// A view calls `on(['threshold', 'scores'], redraw)`; a control calls `set({threshold: 121})`. Everybody who named
// a changed key is called once, after the code that is running now.

export const state = {
  /** {id, title, width, height, pixels: RGBA, class, own: bool}: the picture before anything is painted over it. */
  picture: null,
  /** Uint8Array 0/1 of the picture's size: the true outline, filled. */
  truth: null,
  /** Where the truth comes from: 'included', 'drawn' or 'none'. */
  truthFrom: 'none',
  /** Uint8Array 0/1: what is covered with grey, or null. */
  covered: null,
  /** What is explained. */
  class: null, sign: 1, layer: null, method: 'gradcam', normalisation: 'relu-max',
  /** The last answer of `lesson.explain`, and the same for the picture with nothing painted over it. */
  explanation: null, uncovered: null,
  /** Grey levels: Uint8Array of the picture's size. */
  levels: null,
  /** {dice: 256 numbers, meanDice}, or null without a truth. */
  scores: null,
  /** The trivial maps: [{name, levels, scores}]. */
  trivial: [],
  /** Choices that only concern how it is shown. */
  threshold: 121, channel: 0, count: 1, order: 'effect', shown: null,
  /** The position that all maps mark, as shares of the picture's width and height. */
  at: { x: 0.5, y: 0.5 },
  /** True while the numbers are being computed. */
  busy: true,
  /** Layers whose weights are random now; kernels that are edited; steps that run by another version. */
  randomised: new Set(), edited: new Set(), rungs: new Set(),
};

const listeners = [];
let changed = new Set();

/** Calls `listener` whenever one of `keys` was set. */
export function on(keys, listener) {
  listeners.push({ keys: new Set(keys), listener });
}

/** Changes the state. */
export function set(patch) {
  Object.assign(state, patch);
  const first = changed.size === 0;
  for (const key of Object.keys(patch)) changed.add(key);
  if (first) queueMicrotask(tell);
}

function tell() {
  const now = changed;
  changed = new Set();
  for (const { keys, listener } of listeners) {
    if ([...now].some((key) => keys.has(key))) {
      try {
        listener(now);
      } catch (error) {
        // One view that fails must not take the others with it.
        console.error(error);
      }
    }
  }
}
