// On every page of the portal: a device that takes vouchers without a network sends them and stays ready.
import { comeIntoContact } from "./contact.js";
import { showDevice } from "./device.js";
import { look } from "./shelf.js";
import "./sound.js";
import "./typing.js";

const AGAIN = 5 * 60_000;
const isBound = document.querySelector("[data-till-bound]") !== null;

async function keepUp() {
  const { contact, uses } = await look();
  if (contact || isBound || uses.some((use) => use.state === "waiting")) await comeIntoContact().catch(() => {});
  await showDevice();
}

if (globalThis.indexedDB) {
  addEventListener("online", keepUp);
  document.addEventListener("click", (event) => event.target.closest("[data-till-send]") && keepUp());
  setInterval(keepUp, AGAIN);
  keepUp();
}
