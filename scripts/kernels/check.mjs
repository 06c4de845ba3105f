// Opens the page of `pipelines --page` from the disk in a browser and says what it found.
//
//   node check.mjs BROWSER PAGE     BROWSER: chromium or firefox
//
// Exits 1 where a kernel is wrong, or nothing could be checked.

import { pathToFileURL } from 'node:url';
import { launch } from './browser.mjs';

const [browserName, file] = process.argv.slice(2);
/** A browser that has done no more runs in this time does none: on a processor a kernel may take long to compile. */
const STALLED_MS = 900_000;
const LOOK_MS = 500;
const SAY_EVERY = 250;

/** The page's result, with a word of how far it is. */
async function result(page) {
  let [done, said, since] = [-1, 0, Date.now()];
  for (;;) {
    const now = await page.evaluate('window.kernels && { done: kernels.done, total: kernels.total, result: kernels.result }');
    if (now?.result) return now.result;
    if (now && now.done !== done) [done, since] = [now.done, Date.now()];
    if (done >= said + SAY_EVERY) {
      said = done;
      console.log(`${done} of ${now.total}`);
    }
    if (Date.now() - since > STALLED_MS) throw new Error(`nothing has moved for ${STALLED_MS / 1000} s, after run ${done}`);
    await new Promise((later) => { setTimeout(later, LOOK_MS); });
  }
}

const { browser, close } = await launch(browserName);
let failed = true;
try {
  console.log(await browser.version());
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.log(`error in the page: ${error}`));
  await page.goto(pathToFileURL(file).href);
  const found = await result(page);
  if (found.failed) throw new Error(found.failed);
  console.log(`adapter: ${found.adapter}`);
  found.said.left.forEach((line) => console.log(line));
  found.said.wrong.forEach((line) => console.log(line));
  console.log(`${browserName}: ${found.said.verdict}`);
  failed = found.wrong.length > 0 || found.right !== found.cases || found.cases === 0;
} catch (error) {
  console.log(`${browserName}: ${error.message}`);
} finally {
  await close();
}
process.exit(failed ? 1 : 0);
