// Installable on a phone: pages that name a manifest get the worker that keeps files and the page for times without a network.
const manifest = document.querySelector('link[rel="manifest"]');
const { worker = "/service-worker.js", scope = "/" } = manifest?.dataset ?? {};
if (manifest) navigator.serviceWorker?.register(worker, { scope }).catch(() => {});

addEventListener("beforeinstallprompt", (event) => {
  for (const row of document.querySelectorAll("[data-install]")) {
    row.hidden = false;
    row.addEventListener("click", () => event.prompt(), { once: true });
  }
});
