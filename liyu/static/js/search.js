import { whenReady } from "./ready.js";

// Suggestions come by htmx into the list beside the box; here they are shown, hidden and walked through with the keys.
whenReady("[data-suggest]", (form) => {
  const input = form.querySelector("input[type=search]");
  const list = form.querySelector("[role=listbox]");
  // Without this script it is a box to type into and nothing more.
  Object.entries({ role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list", "aria-controls": list.id })
    .forEach(([name, value]) => input.setAttribute(name, value));
  let chosen = -1;
  const options = () => [...list.querySelectorAll("[role=option]")];
  const show = (open) => {
    list.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) choose(-1);
  };
  const choose = (place) => {
    chosen = place;
    options().forEach((option, at) => option.setAttribute("aria-selected", String(at === place)));
    const option = options()[place];
    if (option) {
      input.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  list.addEventListener("htmx:afterSwap", () => show(options().length > 0 && document.activeElement === input));
  input.addEventListener("input", () => { if (!input.value.trim()) show(false); });
  input.addEventListener("keydown", (event) => {
    const count = options().length;
    if (event.key === "Escape" && !list.hidden) { show(false); event.preventDefault(); }
    else if (event.key === "ArrowDown" && count) { show(true); choose((chosen + 1) % count); event.preventDefault(); }
    else if (event.key === "ArrowUp" && count) { show(true); choose(chosen < 0 ? count - 1 : chosen - 1); event.preventDefault(); }
    else if (event.key === "Enter" && chosen >= 0) { options()[chosen].click(); event.preventDefault(); }
  });
  form.addEventListener("focusout", (event) => { if (!form.contains(event.relatedTarget)) show(false); });
});
