// Drives lesson.html in a browser as a reader would: every control changes what it should, exercises pass and fail, bad
// input gets a sentence, a lost GPU comes back, nothing is written to the console, nothing is requested.
//
//   node controls.mjs BROWSER PAGE [--shots DIR]     BROWSER: chromium, recorded (Chromium without WebGPU) or firefox
//
// Prints one line a check and exits 1 where one fails.

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { deflateSync } from 'node:zlib';
import { launch, LIMIT_MS as SLOW } from './browser.mjs';

const [name, file, ...flags] = process.argv.slice(2);
const shots = flags[0] === '--shots' ? flags[1] : null;
const mode = name === 'recorded' ? 'recorded' : 'webgpu';

let failed = 0;
function check(what, ok, detail = '') {
  console.log(`${ok ? 'ok    ' : 'WRONG '} ${what}${detail ? `: ${detail}` : ''}`);
  if (!ok) failed += 1;
}

/** Opens the page and waits for its first map. */
async function open(browser, { size = [1280, 900], touch = false, before = null } = {}) {
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  await page.setViewport({ width: size[0], height: size[1], hasTouch: touch });
  if (name !== 'firefox') await page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
  const problems = [];
  // Firefox writes there, by itself, what is wrong with the kernels that are broken on purpose.
  const broken = /creating shader module|^\s*Shader '.*' parsing error/;
  page.on('console', (message) => message.type() === 'error' && !broken.test(message.text()) && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => !/^(file|data|blob):/.test(request.url()) && problems.push(`request ${request.url()}`));
  if (before) await page.evaluateOnNewDocument(before);
  const began = Date.now();
  await page.goto(pathToFileURL(path.resolve(file)).href);
  await page.waitForFunction(() => document.querySelector('#summary')?.children.length > 1 && !document.querySelector('#summary.busy'), { timeout: SLOW });
  return { page, problems, opened: Date.now() - began };
}

const wait = (ms) => new Promise((resume) => { setTimeout(resume, ms); });
const text = (page, selector) => page.$eval(selector, (box) => box.textContent);
const summary = (page) => text(page, '#summary');
const idle = (page) => page.waitForFunction(() => !document.querySelector('#summary.busy'), { timeout: SLOW });

/** Clicks in the middle of an element, or at `offset`, where the bar at the top does not cover it. */
async function click(page, selector, offset = undefined) {
  const element = typeof selector === 'string' ? await page.waitForSelector(selector) : selector;
  await element.evaluate((one) => one.scrollIntoView({ block: 'center', behavior: 'instant' }));
  await element.click({ offset });
}

/** Sets a slider or a text, as an input by hand would. */
const fill = (page, selector, value) => page.$eval(selector, (one, to) => {
  one.value = to;
  one.dispatchEvent(new Event('input', { bubbles: true }));
}, value);

/** Chooses an option by its place. */
const choose = async (page, selector, place) => page.select(selector, await page.$eval(selector, (list, at) => list.options[at].value, place));

/** Gives a file to the page. */
const give = (page, filename, bytes) => page.$eval('#own-file', (input, title, base64) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], title, { type: 'image/png' }));
  input.files = data.files;
  input.dispatchEvent(new Event('change'));
}, filename, Buffer.from(bytes).toString('base64'));

/** The pixels of a canvas as one number. */
const ink = (page, selector) => page.$eval(selector, (canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let hash = canvas.width * 31 + canvas.height;
  for (const value of data) hash = (Math.imul(hash, 31) + value) | 0;
  return hash;
});
const heatmap = '[data-view="levels"] .frame canvas';
const sumMap = '[data-view="sum"] .frame canvas';

/** Does `action`, and says whether what `look` sees has changed. */
async function changes(page, what, action, look) {
  const before = await look();
  await action();
  await wait(60);
  await idle(page);
  let after = await look();
  for (let waited = 0; waited < 20_000 && JSON.stringify(before) === JSON.stringify(after); waited += 250) {
    await wait(250);
    after = await look();
  }
  check(what, JSON.stringify(before) !== JSON.stringify(after), JSON.stringify(before) === JSON.stringify(after) ? 'nothing changed' : '');
}

async function everywhere(page) {
  await changes(page, 'a picture of the shelf', () => click(page, '.shelf button:nth-child(2)'), () => ink(page, heatmap));
  await changes(page, 'a picture of the list', () => choose(page, '#choose-picture', 0), () => ink(page, heatmap));
  await changes(page, 'the other class', () => page.select('#choose-class', '0'), () => summary(page));
  await changes(page, 'the class of the highest score', () => page.select('#choose-class', ''), () => summary(page));
  for (const way of ['min-max', 'max', 'relu-max']) await changes(page, `grey levels by ${way}`, () => click(page, `input[name="way"][value="${way}"]`), () => ink(page, heatmap));
  await changes(page, 'the threshold', () => fill(page, '#threshold', '40'), () => page.$eval('[data-view="dice"] .results', (box) => box.textContent));
  await changes(page, 'the best threshold', () => click(page, '#best-threshold'), () => page.$eval('#threshold', (one) => one.value));
  await changes(page, 'a click on the curve', () => click(page, '[data-view="dice"] .curves', { x: 100, y: 60 }), () => page.$eval('#threshold', (one) => one.value));
  await changes(page, 'channels of the sum', () => fill(page, '#sum-count', '5'), () => ink(page, sumMap));
  await changes(page, 'the order of channels', () => page.select('[data-view="sum"] select', 'index'), () => ink(page, sumMap));
  await changes(page, 'a bar', () => click(page, '[data-view="weights"] .chartbox', { x: 20, y: 50 }), () => page.$eval('.chosen', (box) => box.textContent));
  await page.focus('[data-view="weights"] .chartbox');
  await changes(page, 'a bar by the keyboard', () => page.keyboard.press('ArrowRight'), () => page.$eval('.chosen', (box) => box.textContent));
  await page.focus('[data-view="upsample"] .frame');
  await changes(page, 'the position by the keyboard', () => page.keyboard.press('ArrowDown'), () => page.$eval('[data-view="upsample"] table', (box) => box.textContent));
  await changes(page, 'a layer of the graph', () => click(page, '.graph li:nth-child(3) button'), () => page.$eval('#layer-panel h3', (box) => box.textContent));
  await changes(page, 'opacity', () => fill(page, '[data-view="levels"] input[type="range"]', '90'), () => ink(page, '[data-view="levels"] .row > div canvas'));

  // A number is followed to the numbers that it was made of.
  await click(page, (await page.$$('[data-view="dice"] .big .num'))[1]);
  await wait(150);
  const first = await page.$eval('#inspector', (box) => box.textContent);
  check('mean-Dice shows its formula', /256/.test(first) && /mean-Dice/.test(first));
  await click(page, '#inspector .num');
  await wait(80);
  check('and leads to Dice at t = 0', /\|A/.test(await page.$eval('#inspector', (box) => box.textContent)));
  await click(page, '#inspector .inspector-bar button');
  await wait(80);
  check('and back', (await page.$eval('#inspector', (box) => box.textContent)) === first);
  await page.keyboard.press('Escape');
  check('Escape closes it', await page.$eval('#inspector', (box) => box.hidden));
  await click(page, '[data-view="levels"] .value .num');
  const titles = [];
  for (let depth = 0; depth < 9; depth += 1) {
    await wait(150);
    titles.push(await page.$eval('#inspector h3', (title) => title.textContent));
    // The last number of a table of products is the value of the largest one.
    const next = (await page.$('#inspector tbody tr:first-child td:nth-child(3) button.num')) ?? (await page.$('#inspector button.num'));
    if (!next) break;
    await next.evaluate((one) => one.click());
  }
  check('a grey level leads down to products', titles.length >= (mode === 'webgpu' ? 6 : 4), titles.join(' → '));
  await page.keyboard.press('Escape');

  // A truth that is drawn.
  const board = await page.$('.board');
  await click(page, '#clear-outline');
  await wait(100);
  check('without an outline there is no score, and the page says so', /draw one/.test(await summary(page)));
  await click(page, 'input[name="tool"][value="draw"]');
  await board.evaluate((element) => element.scrollIntoView({ block: 'center', behavior: 'instant' }));
  const box = await board.boundingBox();
  await page.mouse.move(box.x + box.width * 0.75, box.y + box.height * 0.5);
  await page.mouse.down();
  // Round a circle: what lies in it belongs to the outline.
  const round = (angle) => page.mouse.move(box.x + box.width * (0.5 + 0.25 * Math.cos(angle)), box.y + box.height * (0.5 + 0.25 * Math.sin(angle)));
  for (let step = 0; step <= 40; step += 1) await round((2 * Math.PI * step) / 40);
  await page.mouse.up();
  await page.waitForFunction(() => /mean-Dice/.test(document.querySelector('#summary').textContent), { timeout: 30_000 }).catch(() => {});
  check('a drawn outline has a score', /mean-Dice/.test(await summary(page)), await summary(page));
  await wait(400);
  const [inside, all] = await page.evaluate(async () => {
    const { state } = await import('lesson/state.js');
    return [state.truth.reduce((sum, one) => sum + one, 0), state.truth.length];
  });
  check('what the outline goes round belongs to it', inside > 0.2 * all && inside < 0.5 * all, `${inside} of ${all} pixels`);
  if (shots) await page.screenshot({ path: `${shots}/drawn-${mode}.png` });
  await click(page, '#restore-outline');
  await idle(page);
  await click(page, 'input[name="tool"][value="point"]');

  // A file that is no picture, and one that is too large.
  await give(page, 'notes.png', 'no picture at all');
  await page.waitForSelector('#messages .error', { timeout: 10_000 });
  check('a file that is no picture gets a sentence', /no picture/.test(await text(page, '#messages .error')), (await text(page, '#messages .error')).slice(0, 80));
  await click(page, '#messages .error button');
  await give(page, 'huge.png', hugePng());
  await page.waitForSelector('#messages .error', { timeout: 60_000 });
  check('64 megapixels get a sentence', /megapixels/.test(await text(page, '#messages .error')), (await text(page, '#messages .error')).slice(0, 80));
  if (shots) await page.screenshot({ path: `${shots}/error-${mode}.png` });
  await click(page, '#messages .error button');
}

/** A PNG of 8000 x 8000 black pixels, compressed to a few kilobytes. */
function hugePng() {
  const side = 8000;
  const crcs = Array.from({ length: 256 }, (_, n) => { let c = n; for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1; return c >>> 0; });
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    let crc = 0xffffffff;
    for (const byte of body) crc = crcs[(crc ^ byte) & 255] ^ (crc >>> 8);
    const out = Buffer.alloc(8 + body.length);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE((crc ^ 0xffffffff) >>> 0, 4 + body.length);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([1, 0, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.alloc((side / 8 + 1) * side))), chunk('IEND', Buffer.alloc(0))]);
}

async function exercises(page) {
  for (const card of await page.$$('.exercise')) {
    const id = await card.evaluate((details) => details.id);
    await card.evaluate((details) => { details.open = true; });
    const verdict = async () => {
      await card.$eval('.check', (button) => button.click());
      await page.waitForFunction((one) => !document.querySelector(`#${one} .check`).disabled, { timeout: 60_000 }, id);
      return card.$eval('.output', (box) => box.textContent);
    };
    const before = await verdict();
    check(`${id}: the start fails`, /Not yet/.test(before), before.slice(0, 120));
    if (shots && id === 'exercise-mean') await card.screenshot({ path: `${shots}/exercise-failed.png` });
    await card.$eval('.take', (button) => button.click());
    const after = await verdict();
    check(`${id}: the solution passes`, /^Passed/.test(after), after.slice(0, 120));
    if (shots && id === 'exercise-mean') await card.screenshot({ path: `${shots}/exercise-passed.png` });
    await card.$eval('textarea', (area) => {
      area.value = `${area.value}\nfn broken( {`;
      area.dispatchEvent(new Event('input'));
    });
    const broken = await verdict();
    check(`${id}: an error stands at its line`, /does not compile/.test(broken) && (await card.$$('.errors li')).length > 0, (await card.$eval('.errors', (list) => list.textContent)).slice(0, 90));
  }
  // A loop that never ends is stopped, and the page lives.
  const card = await page.$('#exercise-relu');
  await card.$eval('textarea', (area) => {
    area.value = area.value.replace(/\nfn broken\( \{/, '').replace('let i = id.x;', 'let i = id.x;\n    loop { }');
    area.dispatchEvent(new Event('input'));
  });
  await card.$eval('.check', (button) => button.click());
  await page.waitForFunction(() => !document.querySelector('#exercise-relu .check').disabled, { timeout: 60_000 });
  const stopped = await card.$eval('.output', (box) => box.textContent);
  check('a loop without an end is stopped', /stopped|turned/.test(stopped), stopped.slice(0, 120));
}

async function gpuOnly(page) {
  const methods = await page.$$eval('#choose-method option', (options) => options.map(({ value }) => value));
  check('at least nine methods', methods.length >= 9, methods.join(', '));
  // CAM and Grad-CAM differ by a factor here, which grey levels do not show: the scale of the sum does.
  const shown = async () => [await ink(page, heatmap), await page.$eval('[data-view="relu"] .scale', (scale) => scale.textContent)];
  for (const method of methods.filter((name) => name !== 'gradcam')) await changes(page, `method ${method}`, () => page.select('#choose-method', method), shown);
  await page.select('#choose-method', 'gradcam');
  await idle(page);
  await changes(page, 'what speaks against the class', () => page.select('#choose-sign', '-1'), () => ink(page, heatmap));
  await page.select('#choose-sign', '1');
  await idle(page);
  const layers = await page.$$eval('#choose-layer option', (options) => options.map(({ value }) => value));
  const layer = await page.$eval('#choose-layer', (one) => one.value);
  await changes(page, 'another layer', () => page.select('#choose-layer', layers[Math.floor(layers.length / 2)]), () => ink(page, heatmap));
  await page.select('#choose-layer', layer);
  await idle(page);

  await changes(page, 'covering what is bright', () => click(page, '#cover-bright'), () => summary(page));
  await changes(page, 'covering nothing', () => click(page, '#cover-nothing'), () => summary(page));
  const square = await page.$('.map.cover .frame');
  await square.evaluate((one) => one.scrollIntoView({ block: 'center', behavior: 'instant' }));
  await changes(page, 'a square under the pointer', () => square.hover(), () => page.$eval('[data-view="doubt"] .results', (box) => box.textContent));
  await wait(2500);

  await changes(page, 'one random layer', () => click(page, '#randomise-next'), () => summary(page));
  await changes(page, 'the trained weights again', () => click(page, '#randomise-none'), () => summary(page));

  // A picture that is not included: a file, and the camera.
  const picture = await page.$eval('.board canvas', (canvas) => canvas.toDataURL('image/png'));
  await changes(page, 'a file of one’s own', () => give(page, 'own.png', Buffer.from(picture.split(',')[1], 'base64')), () => page.$eval('#choose-picture', (one) => one.value));
  await changes(page, 'a pasted picture', () => page.evaluate(async () => {
    const canvas = new OffscreenCanvas(90, 70);
    canvas.getContext('2d').fillRect(20, 20, 30, 30);
    const data = new DataTransfer();
    data.items.add(new File([await canvas.convertToBlob()], 'pasted.png', { type: 'image/png' }));
    const event = new ClipboardEvent('paste');
    // Firefox takes no clipboardData in the constructor.
    Object.defineProperty(event, 'clipboardData', { value: data });
    document.dispatchEvent(event);
    await new Promise((resume) => { setTimeout(resume, 300); });
  }), () => ink(page, heatmap));
  await changes(page, 'a dropped picture', () => page.evaluate(async () => {
    const canvas = new OffscreenCanvas(80, 100);
    canvas.getContext('2d').fillRect(30, 10, 20, 60);
    const data = new DataTransfer();
    data.items.add(new File([await canvas.convertToBlob()], 'dropped.png', { type: 'image/png' }));
    document.dispatchEvent(new DragEvent('drop', { dataTransfer: data }));
    await new Promise((resume) => { setTimeout(resume, 300); });
  }), () => ink(page, heatmap));
  await click(page, '.camera button');
  const camera = await page.waitForFunction(() => /Take/.test(document.querySelector('.camera button').textContent), { timeout: 10_000 }).then(() => true, () => false);
  if (camera) await changes(page, 'a picture by the camera', async () => { await click(page, '.camera button'); await wait(500); }, () => ink(page, heatmap));
  else check('without a camera the page says so', /camera/.test(await text(page, '#messages')), await text(page, '#messages'));
  await choose(page, '#choose-picture', 0);
  await idle(page);

  // An edited kernel: an error, a fault that is found, and the original again.
  const panel = '[data-view="kernels"] .kernelpanel';
  await page.waitForSelector(panel, { timeout: 20_000 });
  const original = await page.$eval(`${panel} textarea`, (one) => one.value);
  const put = (text) => page.$eval(`${panel} textarea`, (area, value) => {
    area.value = value;
    area.dispatchEvent(new Event('input'));
  }, text);
  const press = async (label) => {
    for (const button of await page.$$(`${panel} > .row button`)) if ((await button.evaluate((one) => one.textContent)) === label) await click(page, button);
    await page.waitForFunction((selector) => ![...document.querySelectorAll(`${selector} > .row button`)].some((button) => button.disabled), { timeout: SLOW }, panel);
    await idle(page);
    return page.$eval(`${panel} .output`, (box) => box.textContent);
  };
  await put(original.replace('fn ', 'fnn '));
  check('an edited kernel with an error is refused', /does not compile/.test(await press('Compile and use')));
  await put(`${original}\n// the same\n`);
  const same = await press('Compile and use');
  check('an edited kernel that computes the same is equal', /Equal to the reference/.test(same), same.slice(0, 120));
  check('to what the native program recorded', /native program recorded/.test(same));
  await put(original.replace(/params\.factor \* /g, '0.5 * params.factor * '));
  const other = await press('Compile and use');
  check('one that computes something else is found', /something else/.test(other), other.slice(0, 120));
  await put(original.replace(/(fn sum_\w+\([^{]*\{)/g, '$1 loop { } '));
  const endless = await press('Compile and use');
  check('one that loops for ever ends, and the page lives', /something else/.test(endless), endless.slice(0, 120));
  await put(`${original}\n// the same\n`);
  await press('Compile and use');
  const timed = await press('Time both');
  check('both are timed', /ms/.test(timed) && /edited/.test(timed), timed.slice(0, 120));
  if (shots) await (await page.$(panel)).screenshot({ path: `${shots}/kernel.png` });
  await press('Original');
  check('the original is in use again', (await page.$eval(`${panel} textarea`, (one) => one.value)) === original);

  // Of a picture that nobody recorded the kernels as they came are the reference.
  const own = await page.$eval('.board canvas', (canvas) => canvas.toDataURL('image/png'));
  await changes(page, 'a picture of one’s own again', () => give(page, 'own.png', Buffer.from(own.split(',')[1], 'base64')), () => page.$eval('#choose-picture', (one) => one.value));
  await put(original.replace(/params\.factor \* /g, '0.5 * params.factor * '));
  const unrecorded = await press('Compile and use');
  check('an edit is found in a picture of one’s own', /something else/.test(unrecorded) && /kernels as they came.*your own/.test(unrecorded), unrecorded.slice(0, 200));
  await press('Original');
  await choose(page, '#choose-picture', 0);
  await idle(page);
}

/** Every rung of some ladders runs, is shown, timed and compared. */
async function ladders(page) {
  const view = '[data-view="kernels"]';
  const list = await page.$$eval(`${view} select option`, (options) => options.map(({ textContent }) => textContent));
  const free = () => page.waitForFunction((selector) => ![...document.querySelectorAll(`${selector} .kernelpanel > .row button`)].some((button) => button.disabled), { timeout: SLOW }, view);
  for (const wanted of [/^weighted sum/, /^Dice/, /^mean of the gradient/]) {
    await page.select(`${view} select`, String(list.findIndex((name) => wanted.test(name))));
    const rungs = await page.$$(`${view} .ladder tbody tr`);
    check(`${wanted.source.slice(1)}: a ladder`, rungs.length > 1, `${rungs.length} rungs`);
    const seen = new Set();
    for (const rung of rungs) {
      const button = await rung.$('button');
      const variant = await button.evaluate((one) => one.textContent);
      if (await button.evaluate((one) => one.disabled)) {
        check(`${variant} says what it lacks`, /needs subgroups/.test(await rung.evaluate((row) => row.textContent)));
        continue;
      }
      await button.evaluate((one) => one.click());
      await wait(50);
      await free();
      await idle(page);
      const entry = await rung.$eval('code', (one) => one.dataset.entry);
      const [, , ms, , off] = await rung.$$eval('td', (cells) => cells.map(({ textContent }) => textContent));
      const text = await page.$eval(`${view} textarea`, (area) => area.value);
      const verdict = await page.$eval(`${view} .output`, (box) => box.textContent);
      seen.add(entry);
      check(`${variant} runs in its place`, /is in use.*Equal to the reference/.test(verdict) && text.includes(`fn ${entry}(`) && ms !== '–' && off !== '–', `${entry}, ${ms} ms, off by ${off}${/Equal/.test(verdict) ? '' : `: ${verdict.slice(0, 200)}`}`);
    }
    check('each is another kernel', seen.size > 1, [...seen].join(', '));
  }
  check('the page says which are in use', /In use: /.test(await text(page, view)));
  for (const button of await page.$$(`${view} > .row button`)) if (/All originals/.test(await button.evaluate((one) => one.textContent))) await click(page, button);
  await page.waitForFunction((selector) => !/In use: /.test(document.querySelector(selector).textContent), { timeout: SLOW }, view);
  await idle(page);
  check('all originals are back', true);
}

async function training(page) {
  await click(page, '#train-step');
  await page.waitForFunction(() => /Step 1/.test(document.querySelector('[data-view="train"] .note').textContent), { timeout: SLOW });
  check('one step of training', true, await page.$eval('[data-view="train"] .note', (box) => box.textContent));
  check('four held-out maps', (await page.$$('[data-view="train"] .card canvas')).length === 4);
  await click(page, '#train-reset');
  await wait(500);
}

async function bench(page) {
  await click(page, '#bench-start');
  await page.waitForSelector('[data-view="bench"] tbody tr', { timeout: SLOW });
  const json = JSON.parse(await page.$eval('[data-view="bench"] textarea', (one) => one.value));
  check('the bench times kernels', json.results.length > 5 && json.results.every(({ ms }) => ms > 0), `${json.results.length} kernels on ${json.adapter}`);
}

async function lost(page) {
  await page.evaluate(async () => (await window.parula.lesson).device.destroy());
  await page.waitForFunction(() => /The GPU is back/.test(document.querySelector('#messages').textContent), { timeout: SLOW });
  await idle(page);
  check('a lost device comes back', true);
  await changes(page, 'and computes', () => choose(page, '#choose-picture', 2), () => ink(page, heatmap));
}

/** Without WebGPU what cannot work says so, and the processor computes what is not recorded. */
async function without(page) {
  const picture = await page.$eval('.board canvas', (canvas) => canvas.toDataURL('image/png'));
  await changes(page, 'covering what is bright', () => click(page, '#cover-bright'), () => summary(page));
  await changes(page, 'a file of one’s own', () => give(page, 'own.png', Buffer.from(picture.split(',')[1], 'base64')), () => page.$eval('#choose-picture', (one) => one.value));
  check('it says that the processor computed it', /on your processor/.test(await text(page, '#status')));
  await choose(page, '#choose-picture', 0);
  await idle(page);
  const dead = await page.$$eval('main button:not(:disabled), main select:not(:disabled)', (all) => all.filter((one) => one.offsetParent !== null && one.textContent.trim() === '' && !one.getAttribute('aria-label')).length);
  check('no control without a name', dead === 0);
  check('what needs WebGPU says so', await page.evaluate(() => ['#exercises', '#train', '#bench', '#kernels'].every((id) => /WebGPU/.test(document.querySelector(id).textContent))));
}

/** A GPU that has no memory left is a sentence, and the page lives. */
async function memory(page) {
  await page.evaluate(() => {
    const { popErrorScope } = GPUDevice.prototype;
    window.enough = () => { GPUDevice.prototype.popErrorScope = popErrorScope; };
    let count = 0;
    // Of three scopes the last one is that of memory.
    GPUDevice.prototype.popErrorScope = async function pop() {
      const found = await popErrorScope.call(this);
      count += 1;
      return count % 3 === 0 ? new GPUOutOfMemoryError('none is left') : found;
    };
  });
  await choose(page, '#choose-picture', 1);
  await page.waitForSelector('#messages .error', { timeout: SLOW });
  check('without memory there is a sentence', /not enough memory/.test(await text(page, '#messages .error')), await text(page, '#messages .error'));
  await page.evaluate(() => window.enough());
  await click(page, '#messages .error button');
  await changes(page, 'and the page lives', () => choose(page, '#choose-picture', 3), () => ink(page, heatmap));
  await choose(page, '#choose-picture', 0);
  await idle(page);
}

/** What a browser may have against the page when it opens: it then shows what is recorded, and says why. */
async function poor(browser) {
  for (const [what, words, stub] of [
    ['smaller limits', /needs a maxStorageBufferBindingSize of \d+; this adapter allows 65536/, () => {
      const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, 'limits');
      Object.defineProperty(GPUAdapter.prototype, 'limits', {
        get() { return new Proxy(get.call(this), { get: (limits, name) => (name === 'maxStorageBufferBindingSize' ? 65536 : limits[name]) }); },
      });
    }],
    ['no adapter', /found no GPU/, () => { GPU.prototype.requestAdapter = async () => null; }],
    ['a device that is refused', /could not be opened/, () => { GPUAdapter.prototype.requestDevice = async () => { throw new DOMException('too many devices'); }; }],
    ['a device that is lost at once', /destroyed|taken|lost/i, () => {
      const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = async function request(how) {
        const device = await requestDevice.call(this, how);
        setTimeout(() => device.destroy(), 300);
        return device;
      };
    }],
  ]) {
    const { page, problems } = await open(browser, { before: stub });
    const status = (await text(page, '#status')).trim();
    check(`${what}: recorded, and a sentence why`, /^Recorded/.test(status) && words.test(status), status.slice(0, 140));
    await changes(page, 'and the page lives', () => choose(page, '#choose-picture', 1), () => ink(page, heatmap));
    check('and nothing is on the console', problems.length === 0, problems.join(' | ').slice(0, 200));
    await page.close();
  }
}

async function phone(browser) {
  const { page, problems } = await open(browser, { size: [390, 844], touch: true });
  check('on a phone nothing is wider than the screen', await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth));
  check('and nothing is on the console', problems.length === 0);
}

if (shots) mkdirSync(shots, { recursive: true });
const { browser, close } = await launch(name);
try {
  const { page, problems, opened } = await open(browser);
  console.log(`       the first map after ${opened} ms: ${await summary(page)}`);
  const status = (await text(page, '#status')).trim();
  check('it says where it computes', (mode === 'webgpu' ? /^On your (GPU|processor): / : /Recorded/).test(status), status.slice(0, 90));
  for (const part of mode === 'webgpu' ? [everywhere, exercises, gpuOnly, ladders, memory, training, bench, lost] : [everywhere, without]) {
    try {
      await part(page);
    } catch (error) {
      check(part.name, false, error.message.split('\n')[0]);
    }
  }
  check('nothing on the console, and no request', problems.length === 0, problems.slice(0, 3).join(' | ').slice(0, 400));
  await page.close();
  if (name === 'chromium') {
    check('software is no GPU', /^On your processor: SwiftShader, software/.test(status), status.slice(0, 60));
    await poor(browser);
  }
  if (mode === 'recorded') await phone(browser);
} catch (error) {
  check(name, false, error.stack);
} finally {
  await close();
}
console.log(failed ? `${name}: ${failed} wrong` : `${name}: every control does what it should`);
process.exit(failed ? 1 : 0);
