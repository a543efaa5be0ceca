import { whenReady } from "./ready.js";

// A store's place is wanted as exactly as the device knows it; a pair that is pasted fills both fields.
const PAIR = /^\s*(-?\d+(?:\.\d*)?)\s*°?\s*[,，;；\s]\s*(-?\d+(?:\.\d*)?)\s*°?\s*$/u;

whenReady("[data-place]", (box) => {
  const [latitude, longitude] = box.querySelectorAll("input");
  const button = box.querySelector("button");
  const word = box.querySelector("[role=status]");
  box.addEventListener("paste", (event) => {
    const pair = PAIR.exec(event.clipboardData.getData("text"));
    if (!pair) return;
    event.preventDefault();
    [, latitude.value, longitude.value] = pair;
  });
  if (!navigator.geolocation) return;
  button.hidden = false;
  button.addEventListener("click", () => navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      latitude.value = coords.latitude.toFixed(6);
      longitude.value = coords.longitude.toFixed(6);
      word.textContent = word.dataset.found.replace("{metres}", Math.ceil(coords.accuracy));
    },
    () => { word.textContent = word.dataset.lost; },
    { enableHighAccuracy: true, timeout: 20000 },
  ));
});
