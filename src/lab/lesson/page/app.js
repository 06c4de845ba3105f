// What all views share beside the state: the data of the file, the lesson that computes, and what the page says.

export const app = {
  /** The JSON in the file. */
  data: null,
  /** What `openLesson` gave: mode, adapter, explain, … */
  lesson: null,
  classes: [], layers: [], methods: [],
  /** Shows a sentence at the top of the page; kind 'error', 'note' or 'done'. Set by main.js. */
  say: () => {},
  /** Computes again; set by main.js. */
  refresh: async () => {},
  /** Takes a picture from {width, height, pixels}; set by views/picture.js. */
  show: async () => {},
};

/** The words for where a number was computed. */
export function where(text) {
  return { GPU: 'on your GPU', recorded: 'recorded', processor: 'on your processor' }[text] ?? text;
}
