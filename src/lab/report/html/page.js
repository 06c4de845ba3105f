// Tables that sort: by a click on a column's title, or Enter and Space there. Rows of trivial maps stay below.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

// What a cell is sorted by: its number in full, else its text. What was not run comes last.
function sortKey(row, column) {
  const cell = row.cells[column];
  if ("value" in cell.dataset) return Number(cell.dataset.value);
  return cell.tagName === "TH" ? cell.textContent : null;
}

function compare(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === "string" ? a.localeCompare(b) : a - b;
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const head = heads[column];
  const rows = [...table.tBodies[0].rows];
  const names = rows.every((row) => typeof sortKey(row, column) === "string");
  // Numbers first from the highest, names from A.
  const first = names ? "ascending" : "descending";
  const other = names ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  heads.forEach((one) => one.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => {
    const [x, y] = [sortKey(a, column), sortKey(b, column)];
    return x === null || y === null ? compare(x, y) : sign * compare(x, y);
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  if (!table.querySelector("tbody.sorts")) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => sortBy(table, column));
  });
}
