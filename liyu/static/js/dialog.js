// <… data-dialog-open="id"> opens a sheet; a fragment that htmx puts into [data-sheet-slot] opens the sheet around it.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog-open]");
  const dialog = opener && document.getElementById(opener.dataset.dialogOpen);
  if (dialog) {
    event.preventDefault();
    dialog.showModal();
  } else if (event.target.closest("[data-dialog-close]")) {
    event.target.closest("dialog")?.close();
  } else if (event.target.matches("dialog.sheet[open]") && !isInside(event.target, event)) {
    event.target.close();
  }
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (!event.target.matches("[data-sheet-slot]")) return;
  const dialog = event.target.closest("dialog");
  if (event.target.childElementCount === 0) dialog.close();
  else if (!dialog.open) dialog.showModal();
});

function isInside(dialog, { clientX, clientY }) {
  const box = dialog.getBoundingClientRect();
  // A click made by the keyboard has no place; it never closes.
  if (clientX === 0 && clientY === 0) return true;
  return clientX >= box.left && clientX <= box.right && clientY >= box.top && clientY <= box.bottom;
}
