import { whenReady } from "./ready.js";

// Rows with number fields can also be dragged, or moved with the arrow keys on their handle; the numbers follow.
whenReady("[data-sortable]", (list) => {
  const rows = () => [...list.querySelectorAll(":scope > [data-row]")];
  const renumber = () => {
    for (const [index, row] of rows().entries()) row.querySelector("[data-position]").value = index + 1;
    list.dispatchEvent(new Event("change", { bubbles: true }));
  };
  let dragged = null;
  for (const row of rows()) {
    const handle = row.querySelector("[data-handle]");
    handle.hidden = false;
    handle.addEventListener("pointerdown", () => { row.draggable = true; });
    handle.addEventListener("pointerup", () => { row.draggable = false; });
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const all = rows(), other = all[all.indexOf(row) + step];
      if (!other) return;
      if (step < 0) other.before(row); else other.after(row);
      renumber();
      handle.focus();
    });
    row.addEventListener("dragstart", (event) => { dragged = row; event.dataTransfer.effectAllowed = "move"; row.classList.add("dragged"); });
    row.addEventListener("dragend", () => { row.draggable = false; row.classList.remove("dragged"); dragged = null; renumber(); });
    row.addEventListener("dragover", (event) => {
      if (!dragged || dragged === row) return;
      event.preventDefault();
      const box = row.getBoundingClientRect();
      if (event.clientY < box.top + box.height / 2) row.before(dragged); else row.after(dragged);
    });
  }
});
