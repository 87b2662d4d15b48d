"use strict";
// What a page can do with scripts: copy a command, sort and filter. Without them it is whole too.
(() => {
  const make = (tag, text, more) => Object.assign(document.createElement(tag), { textContent: text }, more);

  for (const code of document.querySelectorAll(".command code")) {
    const button = make("button", "Copy", { type: "button" });
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected: press Ctrl+C";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    code.after(button);
  }

  // a number at the start of a cell counts; cells without one come last, either way
  const key = (row, column) => {
    const text = row.cells[column].textContent.trim();
    if (text === "∞") return Infinity;
    const found = /^[+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?/i.exec(text);
    return found ? Number(found[0].replaceAll(",", "")) : null;
  };
  const names = new Intl.Collator(undefined, { numeric: true });

  const sort = (table, column, sign) => {
    const body = table.tBodies[0];
    const text = table.tHead.rows[0].cells[column].classList.contains("l");
    const rows = [...body.rows].map((row, place) => {
      const words = row.cells[column].textContent.trim();
      return { row, place, value: text ? (words === "–" ? null : words) : key(row, column) };
    });
    rows.sort((a, b) => {
      if (a.value === null || b.value === null) {
        return (a.value === null) - (b.value === null) || a.place - b.place;
      }
      return sign * (text ? names.compare(a.value, b.value) : a.value - b.value) || a.place - b.place;
    });
    body.append(...rows.map((item) => item.row));
  };

  for (const table of document.querySelectorAll("table.rows")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make("button", head.textContent, { type: "button", title: "sort" });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, down ? -1 : 1);
      });
    });
  }

  const filters = [];
  const filter = (before, items, what, folds = []) => {
    if (items.length < 10) return;
    const line = make("div", "", { className: "find" });
    const input = make("input", "", { type: "search", placeholder: `Filter ${what}` });
    input.setAttribute("aria-label", `Filter ${what}`);
    const count = make("small", "");
    count.setAttribute("aria-live", "polite");
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const text = item.textContent.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        shown += !item.hidden;
      }
      for (const fold of folds) {
        fold.open = words.length > 0;
        fold.hidden = words.length > 0 && !fold.querySelector("figure:not([hidden])");
      }
      count.textContent = words.length ? `${shown} of ${items.length}` : "";
    };
    input.addEventListener("input", apply);
    line.append(input, count);
    before.before(line);
    filters.push({ items, clear: () => { input.value = ""; apply(); } });
  };
  for (const table of document.querySelectorAll("table.rows")) {
    filter(table.parentElement, [...table.tBodies[0].rows], "rows");
  }
  for (const spectra of document.querySelectorAll(".spectra")) {
    const folds = [...spectra.querySelectorAll("details")];
    filter(spectra, [...spectra.querySelectorAll("figure")], "layers", folds);
  }

  // a link to what is filtered out or folded shows it
  const show = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    const owner = filters.find((one) => one.items.includes(target));
    if (owner && target.hidden) owner.clear();
    const folded = target.closest("details");
    if (folded) folded.open = true;
    target.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", show);
  if (location.hash) show();
})();
