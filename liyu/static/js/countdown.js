import { whenReady } from "./ready.js";

// The server's clock decides; the device's is used for the steps only.
const stated = Date.parse(document.querySelector('meta[name="liyu-now"]')?.content ?? "");
const ahead = Number.isNaN(stated) ? 0 : Date.now() - stated;
const pad = (figure) => String(figure).padStart(2, "0");

function format(seconds, days) {
  const clock = [Math.floor((seconds % 86400) / 3600), Math.floor((seconds % 3600) / 60), seconds % 60].map(pad).join(":");
  return days > 0 ? `${days}d ${clock}` : clock;
}

function formatIn(language, seconds) {
  const days = Math.floor(seconds / 86400);
  return language.startsWith("zh") && days > 0 ? `${days} 天 ${format(seconds, 0)}` : format(seconds, days);
}

whenReady("[data-countdown]", (element) => {
  const end = Date.parse(element.dateTime);
  const step = () => {
    const left = Math.round((end - (Date.now() - ahead)) / 1000);
    element.textContent = `${element.dataset.countdown} ${formatIn(document.documentElement.lang, Math.max(left, 0))}`;
    element.classList.toggle("soon", element.classList.contains("clock") && left < 600);
    if (left > 0 && element.isConnected) setTimeout(step, 1000);
    else if (element.isConnected) element.dispatchEvent(new CustomEvent("liyu:elapsed", { bubbles: true }));
  };
  step();
});
