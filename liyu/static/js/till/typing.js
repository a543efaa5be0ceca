// A typed code stands in groups of four, and its check letter tells at once whether it was typed well. The server is not asked.
import { areLetters, checkLetter, repair, tidy } from "./letters.js";

const LENGTH = 12;

const group = (letters) => letters.match(/.{1,4}/g)?.join("-") ?? "";

function judge(letters) {
  if (!letters) return "";
  if (!areLetters(letters)) return "foreign";
  if (letters.length < LENGTH) return "more";
  return checkLetter(letters.slice(0, -1)) === letters.at(-1) ? "fine" : "wrong";
}

for (const said of document.querySelectorAll("[data-typing]")) {
  const input = document.getElementById(said.dataset.typing);
  const answer = (event) => {
    // What an input method is still composing is not typed yet, and is lost when it is written over.
    if (event.isComposing) return;
    const letters = repair(tidy(input.value));
    // What is longer was scanned or pasted, and is left as it is.
    const state = letters.length > LENGTH ? "" : judge(letters);
    const atEnd = input.selectionEnd === input.value.length;
    if (letters.length <= LENGTH && atEnd && !event.inputType?.startsWith("delete")) input.value = group(letters);
    const words = { more: said.dataset.more?.replace("{left}", LENGTH - letters.length), fine: said.dataset.fine, wrong: said.dataset.wrong, foreign: said.dataset.wrong };
    said.textContent = words[state] ?? "";
    said.dataset.said = state;
    input.setAttribute("aria-invalid", state === "wrong" || state === "foreign");
  };
  input?.addEventListener("input", answer);
  input?.addEventListener("compositionend", answer);
}
