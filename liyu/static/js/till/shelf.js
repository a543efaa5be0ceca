// What this device keeps: its last contact with the server, and the vouchers it took. All reads and writes of one step are one transaction.
const OPEN = new Promise((resolve, reject) => {
  const opening = indexedDB.open("liyu-till", 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("known");
    opening.result.createObjectStore("uses", { keyPath: "nonce" });
  };
  opening.onsuccess = () => resolve(opening.result);
  opening.onerror = () => reject(opening.error);
});

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** Everything at once: the contact, the latest time seen, and the uses, the newest first. */
export async function look() {
  const step = (await OPEN).transaction(["known", "uses"]);
  const known = step.objectStore("known");
  const [contact, latest, uses] = await Promise.all([done(known.get("contact")), done(known.get("latest")), done(step.objectStore("uses").getAll())]);
  return { contact, latest: latest ?? 0, uses: uses.sort((one, other) => other.at - one.at) };
}

export async function keepContact(contact) {
  const step = (await OPEN).transaction("known", "readwrite");
  await done(contact ? step.objectStore("known").put(contact, "contact") : step.objectStore("known").delete("contact"));
}

/** Keeps a use if `judge` still finds nothing against it: two pages that decide at once do so one after the other. */
export async function take(use, judge) {
  const step = (await OPEN).transaction(["known", "uses"], "readwrite");
  const [known, kept] = [step.objectStore("known"), step.objectStore("uses")];
  const [contact, latest, uses] = await Promise.all([done(known.get("contact")), done(known.get("latest")), done(kept.getAll())]);
  const refusal = judge({ contact, latest: latest ?? 0, uses });
  if (refusal) return refusal;
  await done(kept.add(use));
  await done(known.put(Math.max(Date.now(), latest ?? 0), "latest"));
  return null;
}

export async function note(results) {
  const uses = (await OPEN).transaction("uses", "readwrite").objectStore("uses");
  for (const { nonce, ...result } of results) {
    const use = await done(uses.get(nonce));
    if (use) await done(uses.put({ ...use, ...result }));
  }
}

/** What came in weeks ago is the server's to remember. */
export async function forget(before) {
  const uses = (await OPEN).transaction("uses", "readwrite").objectStore("uses");
  for (const use of await done(uses.getAll())) if (use.state !== "waiting" && use.at < before) await done(uses.delete(use.nonce));
}
