import { whenReady } from "./ready.js";

whenReady("[data-counter]", (counter) => {
  const input = counter.querySelector("input");
  for (const button of counter.querySelectorAll("[data-step]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      if (button.dataset.step === "1") input.stepUp();
      else input.stepDown();
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
});
