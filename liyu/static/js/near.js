import { whenReady } from "./ready.js";

// The place is asked for on a tap only, rounded to some hundred metres, and sent in a form that nobody keeps.
const round = (degrees) => degrees.toFixed(3);

whenReady("[data-near]", (form) => {
  if (!navigator.geolocation) return;
  form.hidden = false;
  const button = form.querySelector("button");
  button.addEventListener("click", (event) => {
    if (form.elements.latitude.value) return;
    event.preventDefault();
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        form.elements.latitude.value = round(coords.latitude);
        form.elements.longitude.value = round(coords.longitude);
        button.disabled = false;
        form.requestSubmit();
      },
      () => {
        button.disabled = false;
        form.querySelector("[role=status]").textContent = form.dataset.near;
      },
      { timeout: 10000, maximumAge: 300000 },
    );
  });
});
