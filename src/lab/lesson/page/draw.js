// Colours, and numbers as pictures.

const POINTS = [[0, 0.12, 284], [0.25, 0.155, 264], [0.45, 0.106, 229], [0.65, 0.104, 182], [0.82, 0.14, 140], [1, 0.17, 104]];

/** The project's colour map: lightness rises in a straight line, hue goes from violet-blue to yellow. */
const PARULA = Array.from({ length: 256 }, (_, value) => {
  const position = value / 255;
  const next = Math.max(1, POINTS.findIndex((p) => p[0] >= position));
  const [from, to] = [POINTS[next - 1], POINTS[next]];
  const share = (position - from[0]) / (to[0] - from[0]);
  const eased = 0.5 * (share + share * share * (3 - 2 * share));
  const chroma = from[1] + (to[1] - from[1]) * eased;
  const hue = ((from[2] + (to[2] - from[2]) * eased) * Math.PI) / 180;
  return srgb(0.3 + 0.63 * position, chroma * Math.cos(hue), chroma * Math.sin(hue));
});

/** Björn Ottosson's OKLab to sRGB, 0 to 255. */
function srgb(lightness, a, b) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((c) => Math.round(255 * Math.min(1, Math.max(0, c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055))));
}

const mix = (from, to, share) => from.map((c, i) => Math.round(c + (to[i] - c) * share));
const [BLUE, ORANGE, NONE] = [[28, 94, 189], [200, 90, 6], [250, 250, 250]];

/** Share 0 to 1 (or -1 to 1 for 'signed') to a colour. */
export const COLOURS = {
  heat: (share) => PARULA[Math.round(255 * Math.min(1, Math.max(0, share)))],
  grey: (share) => Array(3).fill(Math.round(255 * Math.min(1, Math.max(0, share)))),
  signed: (share) => (share < 0 ? mix(NONE, ORANGE, Math.min(1, -share)) : mix(NONE, BLUE, Math.min(1, share))),
};

/** The scale of a picture: {colour, low, high}. 'signed' is symmetric about 0. */
export function scaleOf(kind, least, most) {
  if (kind === 'signed') {
    const reach = Math.max(Math.abs(least), Math.abs(most)) || 1;
    return { kind, low: -reach, high: reach, share: (value) => value / reach };
  }
  const span = most - least || 1;
  return { kind, low: least, high: most, share: (value) => (value - least) / span };
}

/** Draws numbers (height, width) into a canvas of that size. */
export function drawNumbers(canvas, values, width, height, scale) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  paint(image.data, values, scale);
  canvas.getContext('2d').putImageData(image, 0, 0);
}

function paint(data, values, scale) {
  const colour = COLOURS[scale.kind];
  for (let i = 0; i < values.length; i += 1) {
    const [r, g, b] = colour(scale.share(values[i]));
    data.set([r, g, b, 255], 4 * i);
  }
}

/** Draws RGBA pixels. */
export function drawPixels(canvas, pixels, width, height) {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(pixels), width, height), 0, 0);
}

/** The picture in grey with the heatmap over it. */
export function drawOverlay(canvas, picture, levels, share) {
  const data = new Uint8ClampedArray(picture.pixels.length);
  for (let i = 0; i < levels.length; i += 1) {
    const under = [picture.pixels[4 * i], picture.pixels[4 * i + 1], picture.pixels[4 * i + 2]];
    data.set([...mix(under, COLOURS.heat(levels[i] / 255), share), 255], 4 * i);
  }
  drawPixels(canvas, data, picture.width, picture.height);
}

/** Hit, false alarm, miss, neither; the same colours as in the project's reports. */
export const OVERLAP = { both: [0, 178, 137], alarm: [255, 176, 32], miss: [255, 45, 120], neither: [32, 35, 42] };

/** Two masks over each other. `above` and `truth`: functions of the index. */
export function drawOverlap(canvas, width, height, above, truth) {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i += 1) {
    const colour = above(i) ? (truth(i) ? OVERLAP.both : OVERLAP.alarm) : truth(i) ? OVERLAP.miss : OVERLAP.neither;
    data.set([...colour, 255], 4 * i);
  }
  drawPixels(canvas, data, width, height);
}

/** The edge of a mask as an SVG path in pixels, along the sides of its pixels. */
export function outline(mask, width, height) {
  const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] !== 0;
  let path = '';
  for (let y = 0; y <= height; y += 1) {
    for (let x = 0; x <= width; x += 1) {
      if (at(x, y) !== at(x, y - 1)) path += `M${x} ${y}h1`;
      if (at(x, y) !== at(x - 1, y)) path += `M${x} ${y}v1`;
    }
  }
  return path;
}

/** A bar that shows a scale. */
export function drawScale(canvas, kind) {
  canvas.width = 64;
  canvas.height = 1;
  const values = Array.from({ length: 64 }, (_, i) => (kind === 'signed' ? (i / 63) * 2 - 1 : i / 63));
  const image = new ImageData(64, 1);
  paint(image.data, values, { kind, share: (value) => value });
  canvas.getContext('2d').putImageData(image, 0, 0);
}
