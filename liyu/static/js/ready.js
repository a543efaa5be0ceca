/** Runs `enhance` on every element that matches, now and after each htmx swap; never twice on one element. */
export function whenReady(selector, enhance) {
  const seen = new WeakSet();
  const visit = (root) => {
    for (const element of root.querySelectorAll(selector)) {
      if (!seen.has(element)) {
        seen.add(element);
        enhance(element);
      }
    }
  };
  visit(document);
  document.addEventListener("htmx:load", (event) => visit(event.target.parentElement ?? document));
}
