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
  /** What `lesson.explain` is asked for what is chosen now; set by main.js. */
  request: () => ({}),
  /** Takes a picture from {width, height, pixels}; set by views/picture.js. */
  show: async () => {},
};

/** Where the kernels run: not every browser has a GPU behind WebGPU. */
export const kernelsRun = () => (app.lesson.software ? 'on your processor' : 'on your GPU');

/** The words for where a number was computed. */
export function where(text) {
  return { GPU: kernelsRun(), recorded: 'recorded', processor: 'on your processor' }[text] ?? text;
}
