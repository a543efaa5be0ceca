// What this device keeps: its last contact with the server, and the vouchers it took. A step is one transaction, and is done when it is on the disk.
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

async function step(mode, work) {
  const transaction = (await OPEN).transaction(["known", "uses"], mode, { durability: "strict" });
  // Where the disk is full the requests succeed, and the transaction does not.
  const kept = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error);
  });
  const [answer] = await Promise.all([work(transaction.objectStore("known"), transaction.objectStore("uses")), kept]);
  return answer;
}

async function read(known, uses) {
  const [contact, latest, taken] = await Promise.all([done(known.get("contact")), done(known.get("latest")), done(uses.getAll())]);
  return { contact, latest: latest ?? 0, uses: taken.sort((one, other) => other.at - one.at) };
}

/** Everything at once: the contact, the latest time seen since, and the uses, the newest first. */
export const look = () => step("readonly", read);

/** Keeps what the last contact told, or forgets it. The clock of this device counts from there anew. */
export const keepContact = (contact) => step("readwrite", (known) => Promise.all([
  done(contact ? known.put(contact, "contact") : known.delete("contact")),
  done(known.delete("latest")),
]));

/** Keeps the use that `decide` makes of what is known, unless it finds a refusal: two pages that decide at once do so one after the other. */
export const take = (decide) => step("readwrite", async (known, uses) => {
  const held = await read(known, uses);
  const { refusal, use } = decide(held);
  if (refusal) return refusal;
  await Promise.all([done(uses.add(use)), done(known.put(Math.max(Date.now(), held.latest), "latest"))]);
  return null;
});

/** Notes what became of uses. */
export const note = (results) => step("readwrite", async (_, uses) => {
  for (const { nonce, ...result } of results) {
    const use = await done(uses.get(nonce));
    if (use) await done(uses.put({ ...use, ...result }));
  }
});

/** What came in weeks ago is the server's to remember. */
export const forget = (before) => step("readwrite", async (_, uses) => {
  for (const use of await done(uses.getAll())) if (use.state !== "waiting" && use.at < before) await done(uses.delete(use.nonce));
});
