// The button that sends at once what waits.
import { tryContact } from "./contact.js";

/** Sends on a tap, says what stood in the way, and does `then`. */
export function sendOnTap(then) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-till-send]");
    if (!button) return;
    button.disabled = true;
    const trouble = await tryContact();
    button.disabled = false;
    for (const said of document.querySelectorAll("[data-till-said]")) said.textContent = trouble ? said.dataset[trouble] : "";
    await then();
  });
}
