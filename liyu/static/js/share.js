import { whenReady } from "./ready.js";

// The card is a drawing; most programs that one sends it to want dots.
async function rasterize(source) {
  const picture = Object.assign(new Image(), { src: source });
  await picture.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: picture.naturalWidth, height: picture.naturalHeight });
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return new Promise((done) => { canvas.toBlob(done, "image/png"); });
}

whenReady("[data-png]", (link) => {
  link.addEventListener("click", async (event) => {
    event.preventDefault();
    const address = URL.createObjectURL(await rasterize(link.href));
    Object.assign(document.createElement("a"), { href: address, download: link.dataset.png }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
});

whenReady("[data-share]", (button) => {
  if (!navigator.share) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.share({ title: button.dataset.title, url: button.dataset.share }).catch(() => {});
  });
});
