// Shows what this device holds: how much it may still take, and what it took.
import { findBar, takenUnder, timeOf, worthOf } from "./judge.js";
import { look } from "./shelf.js";

const language = document.documentElement.lang;
export const money = (minor) => new Intl.NumberFormat(language, { style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol" }).format(minor / 100);
const time = (at, zone) => new Intl.DateTimeFormat(language, { timeZone: zone, dateStyle: "short", timeStyle: "short" }).format(at);

/** The time now by the server's clock, as `timeOf` has it. */
export const nowBy = (held) => timeOf(held, { wall: Date.now(), steady: performance.now(), origin: performance.timeOrigin });

export function fill(root, slots) {
  for (const [name, text] of Object.entries(slots)) for (const slot of root.querySelectorAll(`[data-slot="${name}"]`)) slot.textContent = text;
}

const put = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

function rowOf(list, use, zone) {
  const row = list.querySelector("template").content.cloneNode(true);
  const words = JSON.parse(list.dataset.words);
  fill(row, { item: use.item, when: time(use.at, zone), why: words[use.conflict] ?? "", bearer: use.bearer ? words[`bearer_${use.bearer}`] : "" });
  for (const part of row.querySelectorAll("[data-state]")) part.hidden = part.dataset.state !== use.state;
  return row;
}

function sayWhatIsLeft(text, { lease, zone }, uses) {
  const under = takenUnder(lease, uses);
  return put(text, { left: lease.quota - under.length, quota: lease.quota, worth: money(lease.cap_minor - worthOf(under)), until: time(lease.expires_at, zone) });
}

/** Fills all parts of the page that tell about this device, and returns what it holds: null where its browser keeps nothing. */
export async function showDevice() {
  const held = await look().catch(() => null);
  if (!held) return null;
  const { contact, uses } = held;
  const waiting = uses.filter((use) => use.state === "waiting");
  for (const part of document.querySelectorAll("[data-till-waiting]")) part.hidden = waiting.length === 0;
  fill(document, { waiting: waiting.length });
  for (const list of document.querySelectorAll("[data-till-uses]")) {
    list.querySelectorAll(":scope > :not(template)").forEach((row) => row.remove());
    list.append(...uses.slice(0, 50).map((use) => rowOf(list, use, contact?.zone)));
    list.closest("[data-till-list]").hidden = uses.length === 0;
  }
  const bar = findBar({ ...held, now: nowBy(held) });
  for (const part of document.querySelectorAll("[data-till-left]")) {
    part.hidden = bar !== null;
    if (!bar) part.textContent = sayWhatIsLeft(part.dataset.tillLeft, contact, uses);
  }
  return held;
}
