// A QR code renews itself through hx-trigger "every …s, refresh": not while nobody looks, and at once when somebody looks again.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.matches("[data-refresh]")) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-refresh]")) window.htmx?.trigger(element, "refresh");
});

const showOnline = () => {
  for (const pill of document.querySelectorAll("[data-online]")) {
    pill.dataset.text ??= pill.textContent;
    pill.textContent = navigator.onLine ? pill.dataset.text : pill.dataset.online;
    pill.classList.toggle("gold", !navigator.onLine);
  }
};
addEventListener("online", showOnline);
addEventListener("offline", showOnline);
