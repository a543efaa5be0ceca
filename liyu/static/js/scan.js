import { whenReady } from "./ready.js";

// The camera reads a voucher's QR code into the code input and submits its form. No camera: the input stays as it is.
async function openDetector(polyfill) {
  if (globalThis.BarcodeDetector) return new BarcodeDetector({ formats: ["qr_code"] });
  const ponyfill = await import(polyfill);
  // The reader's WebAssembly lies beside the script; the package would fetch it from elsewhere.
  ponyfill.setZXingModuleOverrides?.({ locateFile: (file) => new URL(file, new URL(polyfill, location)).href });
  return new ponyfill.BarcodeDetector({ formats: ["qr_code"] });
}

async function watch(video, detector, onCode) {
  while (video.isConnected && video.srcObject?.active) {
    const [found] = await detector.detect(video).catch(() => []);
    if (found?.rawValue) return onCode(found.rawValue);
    await new Promise((resolve) => { setTimeout(resolve, 150); });
  }
}

whenReady("[data-scan]", async (box) => {
  const input = document.getElementById(box.dataset.scan);
  const video = box.querySelector("video");
  const note = box.querySelector("[data-scan-note]");
  if (!navigator.mediaDevices?.getUserMedia) return;
  box.hidden = false;
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play();
    await watch(video, await openDetector(box.dataset.polyfill), (code) => {
      for (const track of video.srcObject.getTracks()) track.stop();
      navigator.vibrate?.(60);
      input.value = code;
      input.form.requestSubmit();
    });
  } catch {
    note.textContent = note.dataset.refused;
    input.focus();
  }
});
