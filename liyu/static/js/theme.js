import { whenReady } from "./ready.js";

const YEAR = 31536000;

function connect(group, cookie, attribute) {
  group.hidden = false;
  group.addEventListener("click", (event) => {
    const chosen = event.target.closest("button");
    if (!chosen) return;
    document.cookie = `${cookie}=${chosen.value}; path=/; max-age=${chosen.value ? YEAR : 0}; samesite=lax`;
    if (chosen.value) document.documentElement.setAttribute(attribute, chosen.value);
    else document.documentElement.removeAttribute(attribute);
    for (const button of group.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === chosen));
  });
}

whenReady("[data-theme-switch]", (group) => connect(group, "liyu_theme", "data-theme"));
whenReady("[data-text-switch]", (group) => connect(group, "liyu_text", "data-text"));
