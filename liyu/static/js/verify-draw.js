// Recomputes a draw in this browser, from the published data alone. The same ten lines as in docs/algorithms/draws.md.
const section = document.querySelector("[data-verify-draw]");
const encoder = new TextEncoder();

async function sha256(text) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const byText = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

function listFile(entries) {
  const sorted = [...entries].sort((one, other) => byText(one.code, other.code));
  return sorted.map(({ code, person, tickets }) => `${code},${person},${tickets}\n`).join("");
}

async function drawOrder(seed, entries) {
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

async function verify() {
  const draw = await (await fetch(section.dataset.verifyDraw)).json();
  const order = await drawOrder(draw.seed, draw.entries);
  return {
    seed: (await sha256(draw.seed)) === draw.commitment,
    list: (await sha256(listFile(draw.entries))) === draw.list_hash,
    order: order.length === draw.order.length && order.every((code, place) => code === draw.order[place].code),
  };
}

function show(results) {
  for (const [name, fits] of Object.entries(results)) {
    const pill = section.querySelector(`[data-step="${name}"] .pill`);
    pill.textContent = fits ? section.dataset.fits : section.dataset.differs;
    pill.classList.toggle("red", !fits);
  }
  section.querySelector("[data-verdict]").textContent = section.dataset.done;
}

if (section) {
  const holder = section.querySelector("[data-with-script]");
  const button = holder.querySelector("button");
  holder.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      show(await verify());
    } catch {
      section.querySelector("[data-verdict]").textContent = section.dataset.failed;
    }
    button.disabled = false;
  });
}
