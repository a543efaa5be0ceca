// Shows what this device holds: how much it may still take, and what it took.
import { timeOf } from "./judge.js";
import { look } from "./shelf.js";

export const clockNow = () => ({ wall: Date.now(), steady: performance.now(), origin: performance.timeOrigin });
const language = document.documentElement.lang;
export const money = (minor) => new Intl.NumberFormat(language, { style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol" }).format(minor / 100);
const time = (at, zone) => new Intl.DateTimeFormat(language, { timeZone: zone, dateStyle: "short", timeStyle: "short" }).format(at);

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

/** Fills all parts of the page that tell about this device. */
export async function showDevice() {
  const { contact, latest, uses } = await look();
  const waiting = uses.filter((use) => use.state === "waiting");
  for (const part of document.querySelectorAll("[data-till-waiting]")) part.hidden = waiting.length === 0;
  fill(document, { waiting: waiting.length });
  for (const list of document.querySelectorAll("[data-till-uses]")) {
    list.querySelectorAll(":scope > :not(template)").forEach((row) => row.remove());
    list.append(...uses.slice(0, 50).map((use) => rowOf(list, use, contact?.zone)));
    list.closest("[data-till-list]").hidden = uses.length === 0;
  }
  for (const part of document.querySelectorAll("[data-till-left]")) {
    const { lease, zone } = contact ?? {};
    const now = contact && timeOf(contact, latest, clockNow());
    part.hidden = !lease || now === null || now >= lease.expires_at;
    if (part.hidden) continue;
    const under = uses.filter((use) => use.lease === lease.id);
    const values = { left: lease.quota - under.length, quota: lease.quota, worth: money(lease.cap_minor - under.reduce((sum, use) => sum + use.value, 0)), until: time(lease.expires_at, zone) };
    part.textContent = put(part.dataset.tillLeft, values);
  }
}
