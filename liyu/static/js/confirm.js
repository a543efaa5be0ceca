// data-confirm on a button or form, and hx-confirm, ask in the page's own dialog. Without it the server's page asks or undoes.
const dialog = document.getElementById("confirm");
const agreed = new WeakSet();

function ask(question, danger, onYes) {
  dialog.querySelector("#confirm-text").textContent = question;
  dialog.querySelector("[data-confirm-yes]").classList.toggle("danger", danger);
  dialog.returnValue = "no";
  dialog.showModal();
  dialog.addEventListener("close", () => dialog.returnValue === "yes" && onYes(), { once: true });
}

if (dialog) {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    const asking = button?.closest("[data-confirm]") ?? form.closest("form[data-confirm]");
    if (!asking || agreed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(asking.dataset.confirm, button?.classList.contains("danger") ?? false, () => {
      agreed.add(form);
      form.requestSubmit(button);
    });
  }, true);

  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    ask(event.detail.question, event.target.classList.contains("danger"), () => event.detail.issueRequest(true));
  });
}
