import { whenReady } from "./ready.js";

// With a button of its own the camera waits for a tap: what lies before it was scanned a moment ago, or nobody wants to scan.
whenReady("[data-scan-start]", (start) => {
  start.hidden = !navigator.mediaDevices?.getUserMedia;
  start.addEventListener("click", () => {
    const box = document.querySelector(`[data-scan-later="${start.dataset.scanStart}"]`);
    start.hidden = true;
    box.dataset.scan = box.dataset.scanLater;
    // From now on it is a box that scans, and what comes to a page is made ready.
    box.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true }));
  });
});
