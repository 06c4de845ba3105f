// With #selftest in the address the page tries itself and writes what it found into its last element, as JSON. So a
// browser that can only print the page, as `chromium --headless --dump-dom`, is enough to test it. Inside a frame, which
// can be as narrow as a phone, it sends the same to whoever made the frame.

async function selftest() {
  const found = { errors: [], changes: 0, cards: 0, filters: 0, models: 0, sorted: 0, width: innerWidth };
  const check = (right, words) => { if (!right) found.errors.push(words); };
  addEventListener("error", (event) => found.errors.push(event.message));
  addEventListener("unhandledrejection", (event) => found.errors.push(String(event.reason)));
  const move = (t) => { slider.value = t; slider.dispatchEvent(new Event("input")); };
  for (let index = 0; index < data.gallery.length; index++) {
    const model = document.getElementById("model");
    model.value = index;
    model.dispatchEvent(new Event("change"));
    await ready;
    check(cards.length === data.gallery[index].rois.length, "not every ROI has its card");
    for (const { element, roi } of cards) {
      const state = () => [element.querySelector(".cut").toDataURL(), element.querySelector(".dice").textContent];
      // A threshold below the brightest pixels, and one above all of them.
      const brightest = roi.everywhere.reduce((last, n, value) => (n > 0 ? value : last), 0);
      move(0);
      const low = state();
      move(255);
      const high = state();
      const counted = roi.class === "normal" ? roi.everywhere : roi.inside;
      const inside = counted.slice(1).some((n) => n > 0);
      check((low[0] !== high[0]) === brightest > 0, `${roi.name}: the picture does not follow the slider`);
      check((low[1] !== high[1]) === inside, `${roi.name}: the number does not follow the slider`);
      found.changes += low[0] !== high[0] && low[1] !== high[1] ? 1 : 0;
      const mean = scores(roi).reduce((sum, { dice }) => sum + dice, 0) / 256;
      check(Math.abs(mean - roi.mean_dice) < 1e-12, `${roi.name}: the mean of the Dice shown is not its mean-Dice`);
      found.cards++;
    }
    // Each box hides its own cards and no others, by the keyboard's click.
    for (const box of boxes) {
      box.click();
      for (const { element, roi } of cards) {
        check(element.hidden === (roi[box.dataset.key] === box.value), `${roi.name} does not follow its filter`);
      }
      box.click();
      found.filters++;
    }
    found.models++;
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    const head = table.tHead.rows[0].cells[1];
    head.querySelector("button").click();
    check(head.hasAttribute("aria-sort"), "a table does not sort");
    found.sorted++;
  }
  check(document.documentElement.scrollWidth <= innerWidth, `the page is wider than its window of ${innerWidth} pixels`);
  return found;
}

if (location.hash === "#selftest") {
  selftest().catch((error) => ({ errors: [String(error)] })).then((found) => {
    const text = JSON.stringify(found);
    document.getElementById("outcome").textContent = text;
    if (parent !== self) parent.postMessage(text, "*");
  });
}
