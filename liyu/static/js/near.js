import { whenReady } from "./ready.js";

// The place is asked for on a tap only, rounded to some hundred metres, and sent in a form that nobody keeps.
const round = (degrees) => degrees.toFixed(3);

whenReady("[data-near]", (form) => {
  if (!navigator.geolocation) return;
  form.hidden = false;
  form.querySelector("button").addEventListener("click", (event) => {
    if (form.elements.latitude.value) return;
    event.preventDefault();
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        form.elements.latitude.value = round(coords.latitude);
        form.elements.longitude.value = round(coords.longitude);
        form.requestSubmit();
      },
      () => { form.hidden = true; },
      { timeout: 10000, maximumAge: 300000 },
    );
  });
});
