// While there is a network: send what was taken, fetch what the till must know for times without one.
import { numbersOf } from "./paper.js";
import { forget, keepContact, look, note } from "./shelf.js";

const MOST_AT_ONCE = 50;
const KEPT = 14 * 86_400_000;

class Trouble extends Error {}

async function ask(address, options = {}) {
  const asked = fetch(address, { ...options, headers: { Accept: "application/json", ...options.headers }, redirect: "manual" });
  const answer = await asked.catch(() => { throw new Trouble("no_network"); });
  if (answer.type === "opaqueredirect" || answer.status === 401) throw new Trouble("signed_out");
  if (!answer.ok) throw new Trouble(answer.status >= 502 ? "no_network" : "refused");
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
  // The list is in hashes of the device's own: bound to another one, this browser begins it anew.
  const isOther = known?.device && known.device.id !== answer.device.id;
  const held = isOther ? undefined : known?.lease?.id;
  if (waiting.length || isOther) answer = await fetchContact(held, isOther ? undefined : known?.cursor);
  const gone = new Set(known?.gone);
  for (;;) {
    if (answer.anew) gone.clear();
    for (const hash of numbersOf(answer.gone)) gone.add(hash);
    for (const hash of numbersOf(answer.back)) gone.delete(hash);
    if (!answer.more) break;
    answer = await fetchContact(held, answer.cursor);
  }
  const { device, lease, zone, keys, key, items, cursor } = answer;
  const clock = { server: Date.parse(answer.now), wall: Date.now(), steady: performance.now(), origin: performance.timeOrigin };
  await keepContact({ ...clock, device, zone, keys, key, items, cursor, gone: [...gone], lease: lease && { ...lease, expires_at: Date.parse(lease.expires_at) } });
  await forget(Date.now() - KEPT);
  // What this browser keeps already stays good.
  await keepPage(answer.files).catch(() => {});
}

// The page for times without a network, in the language and colours of the person who works here now; beside the files that it
// names. Where this browser has older ones, it fetches the new ones first, and the page with them.
async function keepPage(files) {
  if (await caches.has(files)) await (await caches.open(files)).add("/partner/offline");
  else await (await navigator.serviceWorker?.getRegistration("/partner"))?.update();
}

const comeIntoContact = () => (navigator.locks ? navigator.locks.request("liyu-till", refresh) : refresh());

/** Comes into contact with the server, one page of this browser at a time. Null, or what stood in the way: `no_network`, `signed_out`, `refused`. */
export const tryContact = () => comeIntoContact().then(() => null, (trouble) => (trouble instanceof Trouble ? trouble.message : "refused"));
