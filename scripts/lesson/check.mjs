// Opens the page of `parula lesson` from the disk in a browser and holds its numbers to those of the native program.
//
//   node check.mjs BROWSER PAGE FOLDER     BROWSER: chromium, recorded (Chromium without WebGPU) or firefox
//
// FOLDER has cases.json: [{image: file, id: of an included picture or null, mask: file or null, method, layer, cam: the
// document of `parula cam --json`, map: numbers of the .npy, levels: of the .png, dice: of `parula score` or null}].
// Prints what it found and exits 1 where something is wrong.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launch, LIMIT_MS } from './browser.mjs';

const [browserName, file, folder] = process.argv.slice(2);

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const apart = (a, b) => (a.length === b.length ? a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index])), 0) : Infinity);

const failures = [];
const expect = (holds, text) => {
  console.log(`${holds ? 'ok    ' : 'WRONG '} ${text}`);
  if (!holds) failures.push(text);
};

const { browser, close } = await launch(browserName);
try {
  await check(browser);
} catch (error) {
  expect(false, `${browserName}: ${error.stack}`);
} finally {
  await close();
}
console.log(failures.length === 0 ? `${browserName}: all is as the native program has it` : `${browserName}: ${failures.length} wrong`);
process.exit(failures.length === 0 ? 0 : 1);

async function check() {
  const page = await browser.newPage();
  page.setDefaultTimeout(LIMIT_MS);
  const messages = [];
  page.on('console', (message) => ['error', 'assert'].includes(message.type()) && messages.push(message.text()));
  page.on('pageerror', (error) => messages.push(String(error)));
  const requests = [];
  page.on('request', (request) => requests.push(request.url().slice(0, 80)));

  const opened = Date.now();
  await page.goto(pathToFileURL(file).href);
  await page.waitForFunction('window.parula', { polling: 50 });
  await page.evaluate('parula.ready.then(() => true)');
  const ready = Date.now() - opened;
  const adapter = await page.evaluate('parula.adapter');
  console.log(`adapter: ${adapter}; ready after ${ready} ms`);
  const recorded = browserName === 'recorded';
  expect(recorded ? adapter === null : typeof adapter === 'string', recorded ? 'without WebGPU the adapter is null' : 'there is an adapter');

  const cases = JSON.parse(await readFile(join(folder, 'cases.json')));
  let first = true;
  for (const one of cases) {
    if (recorded && !one.recorded) continue;
    await compare(page, one, recorded);
    if (first) console.log(`first map after ${Date.now() - opened} ms`);
    first = false;
  }
  await refusals(page);
  if (!recorded) {
    await times(page);
    await orders(page);
    await training(page);
    await edited(page);
    await bench(page);
    await lost(page);
  }
  const foreign = requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:') && !url.startsWith('blob:'));
  expect(foreign.length === 0, `no request leaves the page${foreign.length ? `: ${foreign.join(' ')}` : ''}`);
  // Firefox does not tell of the file itself.
  expect(requests.filter((url) => url.startsWith('file:')).length <= 1, 'one file is opened');
  // Firefox writes of a kernel that does not compile to the console by itself.
  const own = messages.filter((text) => !text.includes(', edited'));
  expect(own.length === 0, `no error in the console${own.length ? `: ${own.join(' | ')}` : ''}`);
}

async function dataUrl(path) {
  return path && `data:image/png;base64,${(await readFile(path)).toString('base64')}`;
}

async function compare(page, one, recorded) {
  const request = { image: one.id ?? await dataUrl(one.image), class: one.class, layer: one.layer, method: one.method, sign: one.sign, mask: await dataUrl(one.mask) };
  const found = await page.evaluate((asked) => window.parula.run(Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null && value !== undefined))), request);
  const scale = Math.max(largest(one.map), 1e-12);
  const map = apart(found.map, one.map) / scale;
  const levels = apart(found.levels, one.levels);
  const logits = apart(found.logits, one.logits) / Math.max(1, largest(one.logits));
  const dice = one.dice ? apart(found.dice ?? [], one.dice) : 0;
  // Of a level that differs by one the pixels above one threshold differ as well: what is right is what follows from the levels.
  const same = levels === 0 || !one.dice;
  const tolerance = one.method === 'eigencam' && recorded ? 1e-4 : 1e-5;
  expect(
    map <= tolerance && levels <= 1 && logits <= 1e-5 && (same ? dice <= 1e-5 : Math.abs(found.meanDice - one.meanDice) <= 1e-5),
    `${one.name}, ${one.method}${one.layer ? ` at ${one.layer}` : ''}: map ${map.toExponential(1)} of its largest, levels ${levels}, logits ${logits.toExponential(1)}${one.dice ? `, Dice ${dice.toExponential(1)}` : ''} (${found.where}, ${Math.round(found.milliseconds)} ms)`,
  );
}

async function refusals(page) {
  const said = (asked) => page.evaluate((request) => window.parula.run(request).then(() => null, (error) => error.message), asked);
  for (const [what, request, word] of [
    ['a picture that is none', { image: 'data:image/png;base64,AAAA' }, /picture/],
    ['a class that is not there', { class: 99 }, /class/],
    ['a method that is not there', { method: 'telepathy' }, /method/],
    ['a layer that is not there', { layer: 'nowhere' }, /layer/],
  ]) {
    const text = await said(request);
    expect(text !== null && word.test(text) && !text.includes('\n'), `${what} is refused: ${text}`);
  }
  // 50 megapixels by the header alone.
  const huge = Buffer.alloc(64);
  huge.writeUInt32BE(0x89504e47, 0);
  huge.writeUInt32BE(0x0d0a1a0a, 4);
  huge.writeUInt32BE(10_000, 16);
  huge.writeUInt32BE(5_000, 20);
  const text = await said({ image: `data:image/png;base64,${huge.toString('base64')}` });
  expect(/50 megapixels/.test(text), `50 megapixels are refused: ${text}`);
  expect(await page.evaluate('parula.run().then((found) => found.levels.length > 0)'), 'and the page lives');
}

/** What is reused of an earlier answer must not change the next one. */
async function orders(page) {
  const found = await page.evaluate(async () => {
    const [a, b] = window.parula.lessonData().pictures.map(({ id }) => id);
    const lesson = await window.parula.lesson;
    const first = lesson.layers.find((layer) => layer.explainable).name;
    const ask = async (request) => (await window.parula.run(request)).map;
    const all = [{ image: a, class: 0 }, { image: a, class: 1 }, { image: a, class: 1, layer: first }, { image: a, class: 0, layer: first, sign: -1 }, { image: a, class: 0, method: 'saliency' }];
    const fresh = [];
    for (const request of all) {
      await ask({ image: b });
      fresh.push(await ask(request));
    }
    const gradient = await lesson.gradientOf(first);
    let same = true;
    for (const at of [4, 2, 0, 3, 1, 0, 2]) {
      const map = await ask(all[at]);
      same &&= map.every((value, i) => value === fresh[at][i]);
    }
    return { same, gradient: gradient.data.some((value) => value !== 0) };
  });
  expect(found.same && found.gradient, 'the order of questions does not change the answers');
}

async function times(page) {
  const found = await page.evaluate(async () => {
    const ids = window.parula.lessonData().pictures.map(({ id }) => id);
    const lesson = await window.parula.lesson;
    const clock = async (work) => {
      const start = performance.now();
      await work();
      return performance.now() - start;
    };
    await window.parula.run({ image: ids[1] });
    return { picture: await clock(() => window.parula.run({ image: ids[2] })), class: await clock(() => window.parula.run({ image: ids[2], class: 0 })), method: await clock(() => window.parula.run({ image: ids[2], class: 0, method: 'hirescam' })), layers: await clock(() => window.parula.run({ image: ids[2], class: 0, layer: lesson.layers.find((layer) => layer.explainable).name })) };
  });
  console.log(`another picture ${Math.round(found.picture)} ms, another class ${Math.round(found.class)} ms, another method, its kernels compiled, ${Math.round(found.method)} ms, the first layer ${Math.round(found.layers)} ms`);
}

async function training(page) {
  const found = await page.evaluate(async () => {
    const { Trainer } = await import('lesson/trainer.js');
    const data = window.parula.lessonData();
    const lesson = await window.parula.lesson;
    const start = performance.now();
    const trainer = await Trainer.open(lesson.device, data);
    const open = performance.now() - start;
    const steps = [];
    const before = await trainer.maps();
    for (let i = 0; i < data.training.losses.length; i += 1) steps.push(await trainer.step());
    const after = await trainer.maps();
    await trainer.reset({ seed: 0 });
    const again = await trainer.step();
    await trainer.reset({ seed: 5 });
    const other = await trainer.step();
    trainer.close();
    return { open, native: data.training.losses, steps, before, after, again: again.loss, other: other.loss };
  });
  const losses = found.steps.map(({ loss }) => loss);
  const off = apart(losses, found.native) / largest(found.native);
  expect(off < 1e-4, `losses of ${losses.length} training steps: ${losses.map((loss) => loss.toFixed(6)).join(', ')}; ${off.toExponential(1)} from the native program's`);
  expect(found.again === losses[0] && found.other !== losses[0], 'a seed gives the same first loss again, another seed another');
  const moved = apart(found.before.map(({ probability }) => probability), found.after.map(({ probability }) => probability));
  expect(found.after.length === 4 && moved > 0, `the maps of ${found.after.length} ROIs that are held out change`);
  console.log(`training: opened in ${Math.round(found.open)} ms, a step ${Math.round(found.steps.at(-1).milliseconds)} ms`);
}

async function edited(page) {
  const found = await page.evaluate(async () => {
    const lesson = await window.parula.lesson;
    const [step] = lesson.stages.sum.steps;
    const { program } = lesson.stages.sum;
    const { shader, wgsl } = program.steps[step];
    const before = await window.parula.run();
    const broken = await program.replace(shader, `${wgsl}\nfn broken( {`);
    const lines = wgsl.split('\n').length + 1;
    const spot = wgsl.replace(/fn (\w+)\(/, 'fn never_called(a: f32) -> f32 { return a; }\nfn $1(');
    const changed = await program.replace(shader, spot === wgsl ? wgsl : wgsl + '\nfn never_called(a: f32) -> f32 { return a; }');
    const same = await window.parula.run();
    const ms = await program.time(step, { repeats: 5 });
    await program.restore(shader);
    const after = await window.parula.run();
    return { broken, lines, changed, equal: [same, after].every((run) => run.map.every((value, i) => value === before.map[i])), ms };
  });
  expect(!found.broken.ok && found.broken.errors[0]?.line >= found.lines - 1, `a kernel that is broken is refused at its line (${found.broken.errors[0]?.line} of ${found.lines})`);
  expect(found.changed.ok && found.equal, 'a kernel that is edited runs, and is put back');
  expect(found.ms > 0, `it is timed (${found.ms.toFixed(4)} ms)`);
}

async function bench(page) {
  const found = await page.evaluate(async () => {
    const { runBench } = await import('lesson/bench.js');
    const { json, clock } = await runBench(await window.parula.lesson, { most: 4 });
    return { json, clock };
  });
  const rows = found.json.results;
  expect(rows.length === 4 && rows.every(({ ms, ms_max: most }) => ms > 0 && most >= ms), `the bench times ${rows.length} kernels by ${found.clock}`);
  await writeFile(join(folder, `bench-${browserName}.json`), JSON.stringify(found.json));
}

async function lost(page) {
  const found = await page.evaluate(async () => {
    const lesson = await window.parula.lesson;
    const before = await window.parula.run();
    lesson.device.destroy();
    const { reason } = await lesson.lost;
    const picture = { pixels: new Uint8ClampedArray(64), width: 4, height: 4 };
    const said = await lesson.explain(picture).then(() => null, (error) => ({ kind: error.kind, message: error.message }));
    const again = await lesson.reopen();
    const after = await window.parula.run();
    return { reason, said, other: again !== lesson, mode: again.mode, same: after.map.every((value, i) => value === before.map[i]) };
  });
  expect(found.reason === 'destroyed' && found.said?.kind === 'lost' && !found.said.message.includes('\n'), `a device that is lost is a sentence: ${found.said?.message}`);
  expect(found.other && found.mode === 'webgpu' && found.same, 'and is opened again');
}
