"use strict";
/* Sorts and searches tables, and changes between light and dark. Texts are only ever set as text. */
(() => {
  const byId = (id) => document.getElementById(id);
  const plots = JSON.parse(byId("plots").textContent);

  /* Light and dark. */
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
  const themeButton = byId("theme");
  const themed = [];
  const applyTheme = () => {
    themeButton.textContent = isDark() ? "Light" : "Dark";
    themed.forEach((change) => change());
  };
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    applyTheme();
  });
  prefersDark.addEventListener("change", applyTheme);

  /* Tables: headings become buttons that sort, and a field hides the rows without its text. */
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.toLowerCase();
  };
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

  const sortBy = (table, heading, column) => {
    const falling = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const sign = falling ? -1 : 1;
    const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column), row]);
    rows.sort((a, b) => sign * compare(a[0], b[0]));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  const search = (name, wanted) => {
    const rows = [...byId(name).tBodies[0].rows];
    const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    const left = rows.filter((row) => !row.hidden).length;
    document.querySelector(`[data-count="${name}"]`).textContent =
      left === rows.length ? `${left} rows` : `${left} of ${rows.length} rows`;
  };

  const makeSortable = (table) => {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      button.addEventListener("click", () => sortBy(table, heading, column));
      heading.replaceChildren(button);
    });
  };

  document.querySelectorAll(".block table").forEach(makeSortable);
  for (const field of document.querySelectorAll("[data-search]")) {
    const name = field.dataset.search;
    document.querySelector(`[data-tools="${name}"]`).hidden = false;
    field.addEventListener("input", () => search(name, field.value));
  }

  applyTheme();
})();
