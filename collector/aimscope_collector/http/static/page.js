// A little comfort. Everything works without it; nothing here fetches from elsewhere.
"use strict";

// Moments in the viewer's own zone; UTC stays in the title.
const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time:not([data-day])")) {
  const at = new Date(time.dateTime);
  if (!Number.isNaN(at.getTime())) time.textContent = zoned.format(at);
}

// A box that ticks all others of its table.
for (const all of document.querySelectorAll("input[data-all]")) {
  const boxes = () => document.querySelectorAll(`input[name="${CSS.escape(all.dataset.all)}"]`);
  all.hidden = false;
  all.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; box.dispatchEvent(new Event("change", { bubbles: true })); }));
}

// How many rows are ticked.
for (const count of document.querySelectorAll("[data-count]")) {
  const name = count.dataset.count;
  const show = () => { count.textContent = document.querySelectorAll(`input[name="${CSS.escape(name)}"]:checked`).length; };
  document.addEventListener("change", (event) => { if (event.target.name === name) show(); });
  show();
}

// Texts to be sent elsewhere.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.done;
  });
}

// Ask before what cannot be undone.
for (const form of document.querySelectorAll("form[data-sure]")) {
  form.addEventListener("submit", (event) => { if (!window.confirm(form.dataset.sure)) event.preventDefault(); });
}

// Fields that only some choices need.
for (const part of document.querySelectorAll("[data-for]")) {
  const [name, ...values] = part.dataset.for.split(" ");
  const form = part.closest("form");
  const fit = () => {
    const chosen = form.elements[name];
    part.hidden = !values.includes(chosen ? chosen.value : "");
  };
  form.addEventListener("change", fit);
  fit();
}

// Keys in lists: j and k move, x ticks, Enter opens, / searches, ? shows them.
const rows = [...document.querySelectorAll("tr[data-row]")];
let here = -1;
const move = (step) => {
  if (!rows.length) return;
  here = Math.max(0, Math.min(rows.length - 1, here + step));
  const link = rows[here].querySelector("a");
  if (link) link.focus();
  rows[here].scrollIntoView({ block: "nearest" });
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "x" && here >= 0) rows[here].querySelector("input[type=checkbox]")?.click();
  else if (event.key === "/") { const box = document.querySelector("input[type=search]"); if (box) { box.focus(); event.preventDefault(); } }
  else if (event.key === "?") document.getElementById("keys")?.toggleAttribute("open");
});
