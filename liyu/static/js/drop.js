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

// One tap is one request, however often it is tapped.
whenReady("form[data-once]", (form) => {
  form.addEventListener("submit", () => {
    setTimeout(() => { for (const button of form.querySelectorAll("button")) button.disabled = true; });
  });
});
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
