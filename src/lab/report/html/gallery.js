// The gallery: one slider, and for each ROI the cut of its heatmap and the Dice of it.

const HIT = [0, 178, 137];
const ALARM = [255, 176, 32];
const MISS = [255, 45, 120];
const slider = document.getElementById("threshold");
let gallery = null;
let cards = [];

// From the two histograms of an exported heatmap, inside the truth and everywhere: the pixels of the truth, and for each
// threshold t those of the map above t, of both, and Dice = 2 both / (truth + map). Two empty areas have Dice 0.
function scores(roi) {
  const truth = roi.inside.reduce((sum, n) => sum + n, 0);
  const found = [];
  let [both, map] = [0, 0];
  for (let t = 255; t >= 0; t--) {
    const sum = truth + map;
    found[t] = { truth, map, both, dice: sum === 0 ? 0 : (2 * both) / sum };
    both += roi.inside[t];
    map += roi.everywhere[t];
  }
  return found;
}

const mix = (under, over, share) => under.map((value, c) => Math.round(value * (1 - share) + over[c] * share));

// The grey values of a picture.
async function pixels(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const rgba = context.getImageData(0, 0, image.width, image.height).data;
  const values = new Uint8Array(image.width * image.height);
  values.forEach((_, i) => { values[i] = rgba[4 * i]; });
  return { width: image.width, height: image.height, values };
}

// Paints a canvas, pixel by pixel, with what `colour(index)` gives.
function paint(canvas, { width, height }, colour) {
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    picture.data.set(colour(i), 4 * i);
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

// Whether pixel i is the last of the truth on its side.
function onOutline(mask, i) {
  if (mask.values[i] === 0) return false;
  const [x, y] = [i % mask.width, Math.floor(i / mask.width)];
  return x === 0 || y === 0 || x === mask.width - 1 || y === mask.height - 1 ||
    [i - 1, i + 1, i - mask.width, i + mask.width].some((next) => mask.values[next] === 0);
}

async function makeCard(roi) {
  const element = document.getElementById("card").content.firstElementChild.cloneNode(true);
  const part = (name) => element.querySelector("." + name);
  const [image, mask, heat] = await Promise.all(roi.pictures.map(pixels));
  const grey = (i) => [image.values[i], image.values[i], image.values[i]];
  part("name").textContent = roi.name;
  const normal = roi.class === "normal";
  const side = { train: "training side", validation: "validation side", test: "test set" }[roi.split] ?? roi.split;
  part("side").textContent = `${roi.class}, ${side}, ${roi.width} × ${roi.height} pixels`;
  part("whole").textContent = roi.mean_dice.toFixed(4);
  part("whole").dataset.value = roi.mean_dice;
  paint(part("truth"), image, (i) => (onOutline(mask, i) ? MISS : grey(i)));
  paint(part("heat"), heat, (i) => data.colours[heat.values[i]]);
  part("truth").setAttribute("aria-label", normal ? roi.name : `${roi.name} with the outline of the truth`);
  part("heat").setAttribute("aria-label", `Heatmap of ${roi.name}`);
  const curve = normal ? "Marked share" : "Dice";
  part("small").setAttribute("aria-label", `${curve} of ${roi.name} against the threshold`);
  const found = scores(roi);
  const all = roi.everywhere.reduce((sum, n) => sum + n, 0);
  const value = ({ dice, map }) => (normal ? map / all : dice);
  part("c0").setAttribute("points", found.map((one, t) => `${t},${64 - 64 * value(one)}`).join(" "));
  // A normal ROI has no truth to be scored by: what counts is how much of it is marked.
  part("what").textContent = normal ? "Marked" : "Dice";
  if (normal) part("over").remove();
  const show = (t) => {
    const { truth, map, both, dice } = found[t];
    paint(part("cut"), image, (i) => {
      const faded = mix(grey(i), [255, 255, 255], 0.25);
      const [above, inside] = [heat.values[i] > t, mask.values[i] > 0];
      if (!above && !inside) return faded;
      return mix(faded, above && inside ? HIT : above ? ALARM : MISS, 0.72);
    });
    const share = value(found[t]);
    const score = normal ? `${(100 * share).toFixed(1)} %` : dice.toFixed(4);
    const against = normal ? "" : " against the truth";
    part("cut").setAttribute("aria-label", `Heatmap of ${roi.name} above ${t}${against}: ${curve} ${score}`);
    part("dice").textContent = score;
    part("dice").dataset.value = share;
    part("at").textContent = `at threshold ${t}`;
    part("counts").textContent = normal ? `pixels: map ${map} of ${all}` : `pixels: truth ${truth}, map ${map}, both ${both}`;
    part("now").setAttribute("d", `M${t} 0V64`);
  };
  return { element, show, roi };
}

function show() {
  const t = Number(slider.value);
  document.getElementById("level").textContent = t;
  cards.forEach((card) => card.show(t));
  const mean = gallery.curve[t];
  document.getElementById("mean").textContent = mean === undefined ? "" :
    `Mean Dice of all ${gallery.of} abnormal ROIs of this run at threshold ${t}: ${mean.toFixed(4)}`;
}

// Shows the model that is chosen; a choice made meanwhile wins.
async function choose() {
  const chosen = data.gallery[Number(document.getElementById("model").value)];
  gallery = chosen;
  const made = await Promise.all(chosen.rois.map(makeCard));
  if (gallery !== chosen) return;
  cards = made;
  document.getElementById("cards").replaceChildren(...cards.map((card) => card.element));
  filter();
  show();
}

const boxes = [...document.querySelectorAll("#filters input")];

// Hides the cards whose side or class is not ticked.
function filter() {
  const out = boxes.filter((box) => !box.checked);
  let left = 0;
  for (const { element, roi } of cards) {
    element.hidden = out.some((box) => roi[box.dataset.key] === box.value);
    left += element.hidden ? 0 : 1;
  }
  const none = left === 0 ? ": tick a side and a class" : "";
  document.getElementById("shown").textContent = `${left} of ${cards.length} ROIs are shown${none}`;
}

const best = () => { slider.value = gallery.best_threshold ?? 127; };
let ready = Promise.resolve();
if (data.gallery.length === 0) {
  document.querySelectorAll(".slider, #best").forEach((one) => one.remove());
} else {
  const model = document.getElementById("model");
  model.addEventListener("change", () => { ready = choose(); });
  slider.addEventListener("input", show);
  boxes.forEach((box) => box.addEventListener("change", filter));
  document.getElementById("best").addEventListener("click", () => { best(); show(); });
  gallery = data.gallery[0];
  best();
  ready = choose();
}
