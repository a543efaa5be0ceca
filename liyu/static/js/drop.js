import { whenReady } from "./ready.js";

// A drop opens by the server's clock: until then its button waits, and nothing is fetched when it opens.
const stated = Date.parse(document.querySelector('meta[name="liyu-now"]')?.content ?? "");

whenReady("button[data-opens]", (button) => {
  // Counted from the stated instant by a clock that nobody can set.
  const wait = Date.parse(button.dataset.opens) - stated - performance.now();
  if (Number.isNaN(wait) || wait <= 0) return;
  button.disabled = true;
  setTimeout(() => { button.disabled = false; }, Math.min(wait, 2 ** 31 - 1));
});

// What was coming is open now; the page says so itself.
document.addEventListener("liyu:elapsed", (event) => {
  const until = event.target.closest("[data-until-open]");
  if (!until) return;
  until.remove();
  for (const pill of document.querySelectorAll("[data-opened]")) {
    pill.textContent = pill.dataset.opened;
    pill.classList.remove("gold");
  }
});

// Sold out while one looks: the button gives way to the waiting list, and comes back with what is given back. Nobody is reloaded.
const turn = (isGone) => {
  const [form, list] = ["form[data-once]:not([data-later])", "[data-when-gone]"].map((one) => document.querySelector(one));
  if (!form || !list || form.querySelector("[name=offer]")) return;
  form.hidden = isGone;
  list.hidden = !isGone;
};
for (const [name, isGone] of [["gone", true], ["back", false]]) document.addEventListener(`liyu:${name}`, () => turn(isGone));

// One tap is one request, however often it is tapped.
whenReady("form[data-once]", (form) => {
  form.addEventListener("submit", () => {
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; });
  });
});
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
