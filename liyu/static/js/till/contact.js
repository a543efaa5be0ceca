// While there is a network: send what was taken, fetch what the till must know for times without one.
import { numbersOf } from "./paper.js";
import { forget, keepContact, look, note } from "./shelf.js";

const MOST_AT_ONCE = 50;
const KEPT = 14 * 86_400_000;

/** There is a network, but nobody of the partner is signed in. */
export class SignedOut extends Error {}

async function ask(address, options = {}) {
  const answer = await fetch(address, { ...options, headers: { Accept: "application/json", ...options.headers }, redirect: "manual" });
  if (answer.type === "opaqueredirect" || answer.status === 401) throw new SignedOut();
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function fetchContact(held, cursor) {
  const query = new URLSearchParams({ ...(held && { held }), ...(cursor && { cursor }) });
  return ask(`/partner/till/contact?${query}`);
}

async function send(uses, contact, csrf) {
  const sent = {
    sent_at: new Date(contact.server + Date.now() - contact.wall).toISOString(),
    uses: uses.map(({ nonce, text, at, lease }) => ({ nonce, text, lease, used_at: new Date(at).toISOString() })),
  };
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  await note((await ask("/partner/till/uses", { method: "POST", headers, body: JSON.stringify(sent) })).results);
}

async function refresh() {
  const { contact: known, uses } = await look();
  const waiting = uses.filter((use) => use.state === "waiting").reverse();
  let answer = await fetchContact(known?.lease?.id, known?.cursor);
  if (!answer.takes_in) return known && !waiting.length ? keepContact(null) : undefined;
  // Times of what waits are by the clock of the contact under which they were taken.
  for (let start = 0; start < waiting.length; start += MOST_AT_ONCE) {
    await send(waiting.slice(start, start + MOST_AT_ONCE), known ?? { server: Date.parse(answer.now), wall: Date.now() }, answer.csrf);
  }
  // Whoever has no till here sends what waits; the bounds of the device stay as they are.
  if (!answer.device) return undefined;
  if (waiting.length) answer = await fetchContact(known?.lease?.id, known?.cursor);
  const gone = new Set(known?.gone);
  for (;;) {
    if (answer.anew) gone.clear();
    for (const hash of numbersOf(answer.gone)) gone.add(hash);
    for (const hash of numbersOf(answer.back)) gone.delete(hash);
    if (!answer.more) break;
    answer = await fetchContact(known?.lease?.id, answer.cursor);
  }
  const { device, staff, lease, zone, keys, key, items, cursor, currency } = answer;
  const clock = { server: Date.parse(answer.now), wall: Date.now(), steady: performance.now(), origin: performance.timeOrigin };
  await keepContact({ ...clock, device, staff, zone, keys, key, items, cursor, currency, gone: [...gone], lease: lease && { ...lease, expires_at: Date.parse(lease.expires_at) } });
  await forget(Date.now() - KEPT);
  // The page for times without a network, in the language and colours of the person who works here now.
  for (const name of await caches.keys()) if (name.startsWith("portal-")) await (await caches.open(name)).add("/partner/offline");
}

/** Comes into contact with the server; one page of this browser at a time. Raises without a network, and SignedOut. */
export const comeIntoContact = () => (navigator.locks ? navigator.locks.request("liyu-till", refresh) : refresh());
