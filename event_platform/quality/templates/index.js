"use strict";
// Search and sort of the table of event types. The page is whole without it.
const table = document.getElementById("types");
const lines = [...table.tBodies[0].rows];
const search = document.getElementById("search");
const found = document.getElementById("found");
document.getElementById("searching").hidden = false;

// What is searched besides the text of a line is in its data: words, and fields, which are named where one matches.
const inLine = (line) => [line.textContent, line.dataset.words, line.dataset.fields].join(" ").toLowerCase();
const texts = new Map(lines.map((line) => [line, inLine(line)]));

function matches(line, word) {
  const [, key, name] = /^(group|owner):(.+)$/.exec(word) ?? [];
  const value = line.dataset[key];
  return value === undefined ? texts.get(line).includes(word) : value.toLowerCase().split(/\s+/).join("_") === name;
}

function nameFields(line, words) {
  const cell = line.querySelector(".matches");
  if (!cell) return;
  const fields = line.dataset.fields.split(" ").filter((field) => words.some((word) => field.toLowerCase().includes(word)));
  cell.textContent = fields.slice(0, 8).join(", ");
}

function look() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = lines.filter((line) => {
    line.hidden = !words.every((word) => matches(line, word));
    return !line.hidden;
  });
  for (const line of shown) nameFields(line, words);
  found.textContent = `${shown.length} of ${lines.length}`;
}

// An address that ends with #search=… opens with these words.
function lookForAddress() {
  if (!location.hash.startsWith("#search=")) return;
  search.value = decodeURIComponent(location.hash.slice("#search=".length));
  look();
}

search.addEventListener("input", look);
addEventListener("hashchange", lookForAddress);

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

lookForAddress();
