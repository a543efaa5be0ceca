// How the winners of a draw are found: the ten lines of docs/algorithms/draws.md, with the browser's own SHA-256.
const encoder = new TextEncoder();
const byText = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

export async function sha256(text) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function listFile(entries) {
  const sorted = [...entries].sort((one, other) => byText(one.code, other.code));
  return sorted.map(({ code, person, tickets }) => `${code},${person},${tickets}\n`).join("");
}

export async function drawOrder(seed, entries) {
  const key = seed + (await sha256(listFile(entries)));
  const scored = [];
  for (const { code, person, tickets } of entries) {
    const scores = await Promise.all(Array.from({ length: tickets }, (_, ticket) => sha256(`${key},${code},${ticket}`)));
    scored.push({ score: scores.sort(byText)[0], person, code });
  }
  scored.sort((one, other) => byText(one.score, other.score) || byText(one.person, other.person) || byText(one.code, other.code));
  const best = new Map();
  for (const { person, code } of scored) if (!best.has(person)) best.set(person, code);
  return [...best.values()];
}
