// Runs all checks of the page, one after the other, and says what came of them: to the reader, and as `kernels.result` to
// `scripts/kernels/check.mjs`.

import { Plans } from 'lesson/plan.js';
import { compileAhead } from 'kernels/ahead.js';
import { MISTAKES, start } from 'kernels/check.js';
import { endures } from 'kernels/loops.js';
import { unpack } from 'kernels/numbers.js';

const data = JSON.parse(document.getElementById('data').textContent);
const show = (id, text) => { document.getElementById(id).textContent = text; };
/** As many results are read at a time. */
const AT_ONCE = 16;
/** Some drivers leave a loop after so many turns, which WebGPU does not tell. */
const TURNS = 65535;
const total = data.checks.reduce((sum, { runs }) => sum + runs.length, 0);

/** What a program that drives the page looks at; `result` is null until all is done. */
const kernels = { done: 0, total, result: null };
window.kernels = kernels;

/** A device with WebGPU's default limits and no optional feature. */
async function open() {
  if (!navigator.gpu) throw new Error('this browser has no WebGPU, or it is turned off');
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error('WebGPU is there, but it found no adapter');
  const { vendor, architecture, device, description } = adapter.info;
  const name = description || [vendor, architecture, device].filter(Boolean).join(' ');
  return { device: await adapter.requestDevice(), adapter: name || 'one that the browser does not name' };
}

/** Makes mistakes on purpose: those that are not seen. */
async function blind(device, plans, numbers) {
  const [check] = data.checks;
  const unseen = [];
  for (const mistake of MISTAKES) {
    const read = await start(device, plans, numbers, check, check.runs[0].plan, mistake);
    const { why } = await read();
    if (!why) unseen.push(mistake);
  }
  return unseen;
}

async function checkAll() {
  const started = performance.now();
  const { device, adapter } = await open();
  show('adapter', `Adapter: ${adapter}`);
  const plans = new Plans(data.program);
  const numbers = await unpack(data.numbers);
  const wrong = [];
  const stray = [];
  let lost = null;
  device.lost.then(({ message }) => { lost = message || 'the browser does not say why'; });
  device.addEventListener('uncapturederror', ({ error }) => stray.push(error.message.split('\n')[0]));
  const unseen = await blind(device, plans, numbers);
  if (unseen.length > 0) throw new Error(`the page does not see that ${unseen.join(', that ')}`);
  compileAhead(device, plans, data.checks.flatMap(({ runs }) => runs.map(({ plan }) => plan)), navigator.hardwareConcurrency || 2);
  const long = await endures(device, TURNS + 1);
  const left = [...data.left];
  const rightCases = new Map();
  let worst = { share: 0 };
  const record = (check, variant, found) => {
    const { number, operation, case: name, lie, tolerance } = check;
    if (stray.length > 0) found.why ??= `meanwhile: ${stray.splice(0).join('; ')}`;
    if (found.why) wrong.push({ operation, variant, case: name, lie, error: found.error, tolerance, why: found.why });
    rightCases.set(number, (rightCases.get(number) ?? true) && !found.why);
    const share = tolerance > 0 ? found.error / tolerance : 0;
    if (share > worst.share && !found.why) worst = { share, operation, variant, case: name, lie };
    kernels.done += 1;
    document.getElementById('progress').value = kernels.done / total;
    show('verdict', `${kernels.done} of ${total}, ${wrong.length} wrong`);
  };
  const failed = (error) => ({ error: Infinity, why: error.message.split('\n')[0] });
  const reading = new Set();
  for (const check of data.checks) {
    for (const { variant, plan, long: isLong } of check.runs) {
      if (isLong && !long) {
        left.push([`this driver leaves loops after ${TURNS} turns, and the plan may have longer ones`, `${check.operation}/${variant}`, `${check.case}, ${check.lie}`]);
        continue;
      }
      let read;
      try {
        if (lost) throw new Error(`not run: the GPU was lost: ${lost}`);
        read = await start(device, plans, numbers, check, plan);
      } catch (error) {
        record(check, variant, failed(error));
        continue;
      }
      const done = read().catch(failed).then((found) => {
        record(check, variant, found);
        reading.delete(done);
      });
      reading.add(done);
      if (reading.size >= AT_ONCE) await Promise.race(reading);
    }
  }
  await Promise.all(reading);
  device.destroy();
  const right = [...rightCases.values()].filter(Boolean).length;
  return { adapter, runs: kernels.done, wrong, cases: rightCases.size, all: data.cases, right, worst, left, seconds: Math.round((performance.now() - started) / 1000) };
}

/** What browsers do not run, by the reason. */
function reasons(left) {
  const counts = new Map();
  for (const [why, what] of left) {
    if (!counts.has(why)) counts.set(why, new Map());
    counts.get(why).set(what, (counts.get(why).get(what) ?? 0) + 1);
  }
  return [...counts].map(([why, of]) => `Not run, ${why}: ${[...of].map(([what, count]) => `${what} (${count})`).join(', ')}`);
}

function list(id, lines, kind) {
  const items = lines.map((line) => Object.assign(document.createElement('li'), { textContent: line, className: kind }));
  const whole = document.createElement('ul');
  whole.append(...items);
  document.getElementById(id).replaceChildren(whole);
}

/** The result in lines: the verdict, what is wrong, what was not run. */
function lines({ runs, wrong, cases, all: everything, right, worst, left, seconds }) {
  const one = (what) => `${what.operation}/${what.variant}, ${what.case}, ${what.lie}`;
  const close = worst.operation ? `; the largest error is ${(100 * worst.share).toFixed(0)} % of what is allowed, ${one(worst)}` : '';
  return {
    verdict: `${right} of ${cases} cases are right${cases < everything ? ` (${everything - cases} were not run)` : ''}, ${runs - wrong.length} of ${runs} runs, in ${seconds} s${close}`,
    wrong: wrong.map((what) => `WRONG ${one(what)}: ${what.why} (error ${what.error.toExponential(1)}, allowed ${what.tolerance})`),
    left: reasons(left),
  };
}

try {
  const found = await checkAll();
  const said = lines(found);
  show('verdict', said.verdict);
  list('wrong', said.wrong, 'wrong');
  list('left', said.left, '');
  kernels.result = { ...found, said };
} catch (error) {
  show('verdict', `It could not be checked: ${error.message}`);
  kernels.result = { failed: error.message };
}
