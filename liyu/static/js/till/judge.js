// Whether a till takes a paper voucher on its own. Pure: what is known goes in, a reason or nothing comes out.
const TOLERANCE = 2 * 60_000;
const DAY = 86_400_000;
const ORDINAL_OF_1970 = 719_163;

/** The time by the server's clock, from the time at the last contact; null before the first, and when this device's clock was turned back since. */
export function timeOf({ contact, latest }, { wall, steady, origin }) {
  if (!contact) return null;
  const elapsed = wall - contact.wall;
  const sameRun = origin === contact.origin;
  if (wall < Math.max(contact.wall, latest) - TOLERANCE) return null;
  if (sameRun && elapsed < steady - contact.steady - TOLERANCE) return null;
  return contact.server + Math.max(elapsed, 0);
}

/** The day at an instant in a time zone, counted as papers do. */
export function dayOf(instant, zone) {
  const day = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(instant);
  return Date.parse(`${day}T00:00:00Z`) / DAY + ORDINAL_OF_1970;
}

/** What keeps the device from taking any paper now, or null. */
export function findBar({ contact, uses, now }) {
  if (!contact?.device) return "no_lease";
  if (!contact.lease) return "stopped";
  if (now === null) return "clock";
  if (now >= contact.lease.expires_at) return "lease_over";
  return takenUnder(contact.lease, uses).length >= contact.lease.quota ? "over_quota" : null;
}

/** What this device took under a lease. */
export const takenUnder = (lease, uses) => uses.filter((use) => use.lease === lease.id);

/** What uses are worth together. */
export const worthOf = (uses) => uses.reduce((sum, use) => sum + use.value, 0);

/** The first reason against a paper, or null. `uses` are what this device took. */
export function findRefusal({ contact, paper, genuine, hash, uses, now }) {
  const bar = findBar({ contact, uses, now });
  if (bar) return bar;
  const { lease, items, gone, zone } = contact;
  if (!paper) return "needs_network";
  if (!genuine) return "unknown_voucher";
  const item = items.find((one) => one.id === paper.item);
  if (!item) return "wrong_partner";
  if (!item.here) return "wrong_store";
  if (!item.alone) return "item_needs_network";
  if (item.from && now < Date.parse(item.from)) return "not_yet_valid";
  if (dayOf(now, zone) > paper.lastDay) return "expired";
  if (uses.some((use) => use.hash === hash)) return "taken_here";
  if (gone.includes(hash)) return "gone";
  return worthOf(takenUnder(lease, uses)) + item.value > lease.cap_minor ? "over_cap" : null;
}
