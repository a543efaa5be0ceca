// Recomputes a draw in this browser, from the published data alone.
import { drawOrder, listFile, sha256 } from "./draw-order.js";

const section = document.querySelector("[data-verify-draw]");
const verdict = section?.querySelector("[data-verdict]");

async function verify() {
  const draw = await (await fetch(section.dataset.verifyDraw)).json();
  const order = await drawOrder(draw.seed, draw.entries);
  show("seed", (await sha256(draw.seed)) === draw.commitment);
  show("list", (await sha256(listFile(draw.entries))) === draw.list_hash);
  show("order", order.join() === draw.order.map((place) => place.code).join());
}

function show(step, fits) {
  const pill = section.querySelector(`[data-step="${step}"] .pill`);
  pill.textContent = fits ? section.dataset.fits : section.dataset.differs;
  pill.classList.toggle("red", !fits);
}

const holder = section?.querySelector("[data-with-script]");
holder?.removeAttribute("hidden");
holder?.querySelector("button").addEventListener("click", async (event) => {
  event.currentTarget.disabled = true;
  verdict.textContent = await verify().then(() => section.dataset.done, () => section.dataset.failed);
  holder.hidden = true;
});
