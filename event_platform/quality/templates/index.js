"use strict";
// Search and sort of the table of event types. The page is whole without it.
const table = document.getElementById("types");
const lines = [...table.tBodies[0].rows];
const search = document.getElementById("search");
const found = document.getElementById("found");
document.getElementById("searching").hidden = false;

search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\s+/);
  const shown = lines.filter((line) => {
    line.hidden = !words.every((word) => line.textContent.toLowerCase().includes(word));
    return !line.hidden;
  });
  found.textContent = `${shown.length} of ${lines.length}`;
});

function valueOf(line, column) {
  const cell = line.cells[column];
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
}

function compare(a, b) {
  return typeof a === "number" ? a - b : a.localeCompare(b);
}

for (const head of table.tHead.rows[0].cells) {
  const button = document.createElement("button");
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const descending = head.getAttribute("aria-sort") !== "descending";
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const column = head.cellIndex;
    lines.sort((a, b) => compare(valueOf(a, column), valueOf(b, column)) * (descending ? -1 : 1));
    table.tBodies[0].append(...lines);
  });
}
