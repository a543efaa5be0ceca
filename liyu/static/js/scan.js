import { whenReady } from "./ready.js";

// The camera reads a voucher's QR code into the code input and submits its form. No camera: the input stays as it is.
async function openDetector(polyfill) {
  if (!globalThis.BarcodeDetector) {
    await new Promise((onload, onerror) => {
      document.head.append(Object.assign(document.createElement("script"), { src: polyfill, onload, onerror }));
    });
    // The reader's WebAssembly lies beside the script; the package would fetch it from elsewhere.
    globalThis.BarcodeDetectionAPI.setZXingModuleOverrides({ locateFile: (file) => new URL(file, new URL(polyfill, location)).href });
  }
  return new BarcodeDetector({ formats: ["qr_code"] });
}

// What was read and refused a moment ago is still before the camera: it is not sent again and again.
async function readCode(video, detector, refused) {
  while (video.isConnected && video.srcObject.active) {
    const [found] = await detector.detect(video).catch(() => []);
    if (found?.rawValue && found.rawValue.trim() !== refused) return found.rawValue;
    await new Promise((wake) => { setTimeout(wake, 150); });
  }
}

whenReady("[data-scan]", async (box) => {
  const [input, video, note] = [document.getElementById(box.dataset.scan), ...box.querySelectorAll("video, [data-scan-note]")];
  if (!navigator.mediaDevices?.getUserMedia) return;
  box.hidden = false;
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play().then(() => input.blur());
    const code = await readCode(video, await openDetector(box.dataset.polyfill), input.value.trim());
    video.srcObject.getTracks().forEach((track) => track.stop());
    if (code) Object.assign(input, { value: code }).form.requestSubmit();
  } catch {
    box.classList.add("refused");
    note.textContent = note.dataset.refused;
    input.focus();
  }
});
