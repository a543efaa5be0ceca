// Live stock: <meta name="liyu-live" content="/live/stock"> and cards with data-live="<sku>".
// The stream sends {"sku", "left", "total"}; without a stream the same address is polled as JSON ({"items": […]}).
const address = document.querySelector('meta[name="liyu-live"]')?.content;
const cards = [...document.querySelectorAll("[data-live]")];
const POLL_MILLISECONDS = 10000;

function show({ sku, left, total }) {
  for (const card of cards.filter((candidate) => candidate.dataset.live === sku)) {
    for (const figure of card.querySelectorAll("[data-live-left]")) figure.textContent = left.toLocaleString("en");
    const bar = card.querySelector("progress");
    if (bar) Object.assign(bar, { max: total, value: total - left });
    card.dispatchEvent(new CustomEvent(left === 0 ? "liyu:gone" : "liyu:back", { bubbles: true }));
  }
}

async function poll(url) {
  if (!document.hidden) {
    const answer = await fetch(url, { headers: { accept: "application/json" } }).catch(() => null);
    if (answer?.ok) (await answer.json()).items.forEach(show);
  }
  setTimeout(poll, POLL_MILLISECONDS, url);
}

if (address && cards.length > 0) {
  const skus = new Set(cards.map((card) => card.dataset.live));
  const url = `${address}?${new URLSearchParams([...skus].map((sku) => ["sku", sku]))}`;
  let failures = 0;
  const stream = new EventSource(url);
  stream.addEventListener("message", (event) => { failures = 0; show(JSON.parse(event.data)); });
  stream.addEventListener("error", () => {
    failures += 1;
    if (failures < 3 && stream.readyState !== EventSource.CLOSED) return;
    stream.close();
    poll(url);
  });
}
