// Step 1: the picture, where it comes from, and what is painted on it: a cover, or a true outline.

import { h, s, fill } from 'lesson/dom.js';
import { state, set, on } from 'lesson/state.js';
import { app } from 'lesson/app.js';
import { drawPixels, outline } from 'lesson/draw.js';
import { MapView } from 'lesson/map.js';
import { activation, covering } from 'lesson/made.js';
import { greyOf } from 'lesson/input.js';
import { readPicture } from 'lesson/pixels.js';
import { range } from 'lesson/maths.js';

/** The longer side that a picture of one's own is brought to. */
const LONGEST = 320;

/** A Blob or a data URL of a picture to {width, height, pixels}; at most LONGEST pixels a side unless `whole`. */
async function decode(source, whole = false) {
  const { pixels, width, height } = await readPicture(source);
  const share = whole ? 1 : Math.min(1, LONGEST / Math.max(width, height));
  if (share === 1) return { pixels, width, height, shrunk: false };
  const [w, hh] = [width, height].map((side) => Math.max(1, Math.round(side * share)));
  const bitmap = await createImageBitmap(new ImageData(pixels, width, height), { resizeWidth: w, resizeHeight: hh, resizeQuality: 'high' });
  const context = h('canvas', { width: w, height: hh }).getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { pixels: context.getImageData(0, 0, w, hh).data, width: w, height: hh, shrunk: true };
}

/** Opens one of the included pictures, and its outline. */
export async function openIncluded(id) {
  const found = app.data.pictures.find((one) => one.id === id);
  if (!found) return;
  const image = await decode(found.png, true);
  const mask = found.outline ? await decode(found.outline, true) : null;
  const truth = mask ? Uint8Array.from({ length: mask.width * mask.height }, (_, i) => (mask.pixels[4 * i] > 0 ? 1 : 0)) : null;
  set({
    picture: { ...image, id, title: found.title ?? found.name, class: found.class, own: false }, covered: null,
    truth: truth?.some((one) => one) ? truth : null, truthFrom: truth?.some((one) => one) ? 'included' : 'none',
  });
  await app.refresh();
}

async function openOwn(blob) {
  try {
    if (app.lesson.mode !== 'webgpu' && app.lesson.offers?.('picture', 'own') === false) throw new Error('Pictures of your own need WebGPU. The included ones work.');
    const image = await decode(blob);
    set({ picture: { ...image, id: 'own', title: blob.name ?? 'your picture', class: null, own: true }, covered: null, truth: null, truthFrom: 'none' });
    const { about } = app.data.network;
    const trained = about ? `This network was trained on ${about}.` : 'This page does not know what the network was trained on.';
    app.say(`${trained} Of another kind of picture its score means little; the steps are the same.${image.shrunk ? ` The picture was made smaller, to ${image.width} × ${image.height}.` : ''}`);
    await app.refresh();
  } catch (error) {
    app.say(error.message, 'error');
  }
}

export function pictureView(root) {
  const shelf = h('div', { class: 'shelf', role: 'group', 'aria-label': 'Included pictures' }, ...app.data.pictures.map((one, i) => {
    const image = h('img', { src: one.png, alt: '', loading: 'lazy' });
    return h('button', { type: 'button', 'data-id': one.id, 'aria-label': `Picture ${i + 1}, ${app.classes[one.class] ?? ''}`, onclick: () => openIncluded(one.id) }, image, h('span', {}, app.classes[one.class] ?? ''));
  }));
  const file = h('input', { type: 'file', accept: 'image/*', id: 'own-file', onchange: (event) => {
    const [chosen] = event.target.files;
    event.target.value = '';
    if (chosen) openOwn(chosen);
  } });
  const sources = h('div', { class: 'row' }, h('label', { class: 'button', for: 'own-file' }, 'Open a picture …'), file, cameraButton(), h('span', { class: 'note' }, 'or drop one on the page, or paste it'));

  const board = paintBoard();
  const input = new MapView({ title: 'What the network gets', kind: 'grey', label: 'Input of the network', make: (x, y) => activation(app.layers[0].name, [y, x, 0]) });
  fill(root, shelf, sources, h('div', { class: 'row top' }, board, h('div', {}, input.element, h('p', { class: 'note narrow' }, 'The mark is at the same place in every map of this page.'))));

  on(['explanation'], () => {
    const [height, width, channels] = app.data.network.input;
    const values = state.explanation.input;
    if (values) input.update(channels === 1 ? values : values.filter((_, i) => i % channels === 0), width, height, app.data.network.scaling === 'tf' ? [-1, 1] : range(values));
  });
  on(['picture'], () => {
    for (const button of shelf.children) button.setAttribute('aria-pressed', String(button.dataset.id === state.picture.id));
  });

  document.addEventListener('paste', (event) => {
    const item = [...(event.clipboardData?.items ?? [])].find(({ kind }) => kind === 'file');
    if (item) openOwn(item.getAsFile());
  });
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    const dropped = event.dataTransfer?.files[0];
    if (dropped) openOwn(dropped);
    else app.say('Nothing that can be opened was dropped: drop a file of a picture.', 'error');
  });
}

/** The camera: a picture is taken when the button is pressed a second time. */
function cameraButton() {
  if (!navigator.mediaDevices?.getUserMedia) return h('span', { class: 'note' }, 'no camera here');
  const video = h('video', { playsinline: true, muted: true, hidden: true });
  let stream = null;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.hidden = true;
    button.textContent = 'Camera';
  };
  const button = h('button', { type: 'button', onclick: async () => {
    if (stream) {
      const canvas = h('canvas', { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext('2d').drawImage(video, 0, 0);
      stop();
      canvas.toBlob((blob) => blob && openOwn(blob));
      return;
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: true });
      video.srcObject = stream;
      video.hidden = false;
      await video.play();
      button.textContent = 'Take the picture';
    } catch (error) {
      stop();
      app.say(error.name === 'NotAllowedError' ? 'The browser did not allow the camera.' : 'No camera was found.', 'error');
    }
  } }, 'Camera');
  return h('span', { class: 'camera' }, button, video);
}

/** What a line goes round belongs to it: all that cannot be reached from the border. */
function closed(mask, width, height) {
  const outside = new Uint8Array(mask.length);
  const next = [];
  const visit = (x, y) => {
    const at = y * width + x;
    if (x < 0 || y < 0 || x >= width || y >= height || mask[at] || outside[at]) return;
    outside[at] = 1;
    next.push([x, y]);
  };
  for (let x = 0; x < width; x += 1) [0, height - 1].forEach((y) => visit(x, y));
  for (let y = 0; y < height; y += 1) [0, width - 1].forEach((x) => visit(x, y));
  while (next.length) {
    const [x, y] = next.pop();
    [[1, 0], [-1, 0], [0, 1], [0, -1]].forEach(([dx, dy]) => visit(x + dx, y + dy));
  }
  return outside.map((one) => 1 - one);
}

/** The picture with a brush: it covers the picture, or draws the true outline. */
function paintBoard() {
  const canvas = h('canvas', { width: 1, height: 1 });
  const over = s('svg', { class: 'outline', 'aria-hidden': true, preserveAspectRatio: 'none' });
  const brush = h('span', { class: 'brush', 'aria-hidden': true });
  const frame = h('div', { class: 'frame board', tabindex: 0, role: 'application', 'aria-label': 'The picture. Arrow keys move the brush, Space paints.' }, canvas, over, brush);
  const tool = (value, label, checked) => h('label', { class: 'tool' }, h('input', { type: 'radio', name: 'tool', value, checked, onchange: () => { mode = value; } }), label);
  const size = h('input', { type: 'range', min: 2, max: 30, value: 10, id: 'brush-size', 'aria-label': 'Size of the brush, in per cent of the picture' });
  const note = h('p', { class: 'note narrow' });
  let mode = 'point';
  let painting = false;
  let at = { x: 0.5, y: 0.5 };

  const place = () => {
    const diameter = Number(size.value);
    const { width = 1, height = 1 } = state.picture ?? {};
    Object.assign(brush.style, { left: `${100 * at.x}%`, top: `${100 * at.y}%`, width: `${diameter}%`, aspectRatio: '1', display: mode === 'point' ? 'none' : '' });
    frame.style.aspectRatio = `${width} / ${height}`;
  };
  const dab = () => {
    const { picture } = state;
    if (!picture || mode === 'point') return;
    const key = mode === 'cover' || mode === 'uncover' ? 'covered' : 'truth';
    const mask = state[key] ? Uint8Array.from(state[key]) : new Uint8Array(picture.width * picture.height);
    const radius = (Number(size.value) / 200) * picture.width;
    const [cx, cy] = [at.x * picture.width, at.y * picture.height];
    const value = mode === 'cover' || mode === 'draw' ? 1 : 0;
    for (let y = Math.max(0, Math.floor(cy - radius)); y < Math.min(picture.height, cy + radius); y += 1) {
      for (let x = Math.max(0, Math.floor(cx - radius)); x < Math.min(picture.width, cx + radius); x += 1) {
        if ((x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2 <= radius ** 2) mask[y * picture.width + x] = value;
      }
    }
    const some = mask.some((one) => one);
    if (key === 'covered') {
      if (!app.canCover()) return;
      set({ covered: some ? mask : null });
      app.refresh();
    } else set({ truth: some ? mask : null, truthFrom: some ? 'drawn' : 'none' });
  };
  app.canCover = () => {
    if (app.lesson.mode === 'webgpu' || app.lesson.offers?.('picture', 'own') !== false) return true;
    app.say('Covering a part needs the network to run again, and so WebGPU.', 'error');
    return false;
  };
  const move = (event) => {
    const box = frame.getBoundingClientRect();
    at = { x: Math.min(0.9999, Math.max(0, (event.clientX - box.left) / box.width)), y: Math.min(0.9999, Math.max(0, (event.clientY - box.top) / box.height)) };
    place();
    if (mode === 'point') set({ at: { ...at } });
    else if (painting) dab();
  };
  frame.addEventListener('pointerdown', (event) => {
    if (mode !== 'point') {
      event.preventDefault();
      frame.setPointerCapture(event.pointerId);
      painting = true;
    }
    move(event);
  });
  frame.addEventListener('pointermove', move);
  for (const end of ['pointerup', 'pointercancel']) {
    frame.addEventListener(end, () => {
      const { truth, picture } = state;
      if (painting && mode === 'draw' && truth) set({ truth: closed(truth, picture.width, picture.height) });
      painting = false;
    });
  }
  frame.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (by) at = { x: Math.min(0.9999, Math.max(0, at.x + by[0] * 0.02)), y: Math.min(0.9999, Math.max(0, at.y + by[1] * 0.02)) };
    else if (event.key === ' ') dab();
    else return;
    event.preventDefault();
    place();
    if (mode === 'point') set({ at: { ...at } });
  });
  size.addEventListener('input', place);

  const clear = h('button', { type: 'button', id: 'clear-cover', onclick: () => { set({ covered: null }); app.refresh(); } }, 'Uncover all');
  const original = h('button', { type: 'button', id: 'restore-outline', onclick: () => openIncluded(state.picture.id) }, 'The included outline');
  const empty = h('button', { type: 'button', id: 'clear-outline', onclick: () => set({ truth: null, truthFrom: 'none' }) }, 'No outline');
  const tools = h('fieldset', { class: 'tools' }, h('legend', {}, 'The pointer'),
    tool('point', 'points', true), tool('cover', 'covers', false), tool('uncover', 'uncovers', false), tool('draw', 'draws the outline', false), tool('erase', 'erases it', false),
    h('label', { class: 'slider' }, 'brush', size), h('div', { class: 'row tight' }, clear, empty, original));
  tools.addEventListener('change', place);

  const draw = () => {
    const { picture, covered, truth, truthFrom } = state;
    if (!picture) return;
    drawPixels(canvas, covered ? covering(picture, covered) : picture.pixels, picture.width, picture.height);
    canvas.classList.toggle('squares', picture.width < 200);
    over.setAttribute('viewBox', `0 0 ${picture.width} ${picture.height}`);
    fill(over, truth ? s('path', { d: outline(truth, picture.width, picture.height) }) : null);
    clear.disabled = !covered;
    empty.disabled = !truth;
    original.disabled = picture.own || truthFrom === 'included' || !app.data.pictures.find(({ id }) => id === picture.id)?.outline;
    describe();
    place();
  };
  const describe = () => {
    const { picture, truthFrom } = state;
    if (!picture) return;
    const [x, y] = [Math.floor(at.x * picture.width), Math.floor(at.y * picture.height)];
    fill(note, `${picture.height} × ${picture.width} pixels. `, truthFrom === 'included' ? 'The line is the true outline of the mass.' : truthFrom === 'drawn' ? 'The line is the outline that you drew; what it goes round belongs to it.' : 'No outline belongs to this picture: draw one to get a score.', ` Grey level at row ${y}, column ${x}: ${greyOf(picture.pixels, y * picture.width + x)}.`);
  };
  on(['picture', 'covered', 'truth', 'truthFrom'], draw);
  on(['at'], () => {
    if (mode === 'point') at = { ...state.at };
    describe();
    place();
  });
  return h('div', { class: 'boardbox' }, frame, note, tools);
}
