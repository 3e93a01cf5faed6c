"use strict";
// Columns sort by their numbers, or by their texts; a third click restores the order of the model.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], order = [...body.rows];
  if (order.length < 2 || !body.querySelector("[data-key]")) continue;
  [...table.tHead.rows[0].cells].forEach((cell, at) => {
    if (!cell.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = cell.textContent;
    button.title = "sort";
    cell.replaceChildren(button);
    button.addEventListener("click", () => {
      const now = { undefined: "ascending", ascending: "descending", descending: undefined }[cell.getAttribute("aria-sort") ?? undefined];
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      const rows = [...order], sign = now === "descending" ? -1 : 1;
      if (now) {
        cell.setAttribute("aria-sort", now);
        const numeric = order.some((row) => row.cells[at].dataset.key !== undefined);
        const key = (row) => (numeric ? Number(row.cells[at].dataset.key ?? NaN) : row.cells[at].textContent);
        rows.sort((a, b) => {
          const x = key(a), y = key(b);
          if (!numeric) return sign * x.localeCompare(y);
          if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
          return sign * (x - y);
        });
      }
      body.append(...rows);
    });
  });
}
for (const details of document.querySelectorAll("details.csv")) {
  const button = document.createElement("button"), text = details.querySelector("pre");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {  // not allowed: what is chosen can be copied by hand
      details.open = true;
      getSelection().selectAllChildren(text);
      button.textContent = "Chosen: press Ctrl-C";
    }
  });
  details.querySelector("summary").append(button);
}
