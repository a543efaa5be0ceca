// Installable on a phone: pages that name a manifest get the worker that keeps files and the page for times without a network.
if (document.querySelector('link[rel="manifest"]')) navigator.serviceWorker?.register("/service-worker.js").catch(() => {});

addEventListener("beforeinstallprompt", (event) => {
  for (const row of document.querySelectorAll("[data-install]")) {
    row.hidden = false;
    row.addEventListener("click", () => event.prompt(), { once: true });
  }
});
