// From a file, a data URL or a bitmap to pixels: RGBA over black, upright, as the native program reads them.

import { problem } from 'lesson/device.js';
import { bytes } from 'lesson/plan.js';
import { sizeOf } from 'lesson/size.js';

/** A tab has no room for more. */
export const MOST_PIXELS = 40e6;

/** `{pixels: Uint8ClampedArray RGBA, width, height}` of a Blob, a data URL or `{width, height, data}`. */
export async function readPicture(source) {
  if (source?.data && source.width && source.height) {
    const { width, height } = source;
    expectSmall(width, height);
    const pixels = Uint8ClampedArray.from(source.data);
    if (pixels.length !== 4 * width * height) throw problem('picture', `A picture of ${width} x ${height} pixels has ${4 * width * height} numbers; ${pixels.length} were given.`);
    return { pixels, width, height };
  }
  const blob = typeof source === 'string' ? blobOf(source) : source;
  if (!(blob instanceof Blob)) throw problem('picture', 'This is no picture: give a PNG, JPEG or WebP file.');
  // By its head, before the browser unpacks all of it.
  const claimed = sizeOf(new Uint8Array(await blob.slice(0, 1 << 18).arrayBuffer()));
  if (claimed) expectSmall(...claimed);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', imageOrientation: 'from-image' });
  } catch {
    throw problem('picture', 'This is no picture that the browser can read: give a PNG, JPEG or WebP file.');
  }
  try {
    const { width, height } = bitmap;
    expectSmall(width, height);
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) throw problem('memory', `There is no memory for a picture of ${width} x ${height} pixels.`);
    context.fillStyle = '#000';
    context.fillRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0);
    return { pixels: context.getImageData(0, 0, width, height).data, width, height };
  } finally {
    bitmap.close();
  }
}

function expectSmall(width, height) {
  if (!(width > 0 && height > 0)) throw problem('picture', 'The picture has no pixels.');
  if (width * height > MOST_PIXELS) {
    throw problem('picture', `The picture has ${Math.round((width * height) / 1e6)} megapixels; this page takes up to ${MOST_PIXELS / 1e6}. Make it smaller first.`);
  }
}

function blobOf(url) {
  const found = /^data:([^;,]*)(;base64)?,(.*)$/s.exec(url);
  if (!found) throw problem('picture', 'Give the picture as a data URL: this page loads nothing.');
  const [, type, base64, body] = found;
  try {
    return new Blob([base64 ? bytes(body) : decodeURIComponent(body)], { type });
  } catch {
    throw problem('picture', 'The data URL holds no picture.');
  }
}
