import { whenReady } from "./ready.js";

// An error stays until the next page; anything else leaves after six seconds, or when tapped.
whenReady("[data-toast]", (toast) => {
  const leave = () => {
    toast.classList.add("leaving");
    setTimeout(() => toast.remove(), 250);
  };
  toast.addEventListener("click", leave);
  if (!toast.classList.contains("red")) setTimeout(leave, 6000);
});
