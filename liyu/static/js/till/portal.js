// On every page of the portal: a device that takes vouchers without a network sends them and stays ready.
import { tryContact } from "./contact.js";
import { showDevice } from "./device.js";
import { sendOnTap } from "./send.js";
import "./sound.js";
import "./typing.js";

const AGAIN = 5 * 60_000;
const isBound = document.querySelector("[data-till-bound]") !== null;

async function keepUp() {
  const held = await showDevice();
  if (!held || !(held.contact || isBound || held.uses.some((use) => use.state === "waiting"))) return;
  await tryContact();
  await showDevice();
}

// What a browser has promised to keep stays also when its disk is full; most promise it to what was put on the home screen.
async function askToKeep() {
  const keeps = (await showDevice()) !== null && ((await navigator.storage?.persisted?.()) || (await navigator.storage?.persist?.()));
  for (const part of document.querySelectorAll("[data-till-forgets]")) part.hidden = keeps;
}

sendOnTap(showDevice);
addEventListener("online", keepUp);
setInterval(keepUp, AGAIN);
keepUp();
if (isBound) askToKeep();
