import { whenReady } from "./ready.js";

// The check letter of a code (liyu/vouchers/alphabet.py): a typing error is told without asking the server. A voucher's code is
// shorter than a gift code, and what is longer than a voucher's was scanned.
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH = 16;

function tidy(text) {
  return text.normalize("NFKC").toUpperCase().replaceAll(/[^0-9A-Z]+/gu, "").replaceAll("O", "0").replaceAll(/[IL]/gu, "1");
}

function timesX(value) {
  return ((value << 1) ^ (value & 16 ? 0b100101 : 0)) & 31;
}

function isWellTyped(letters, length) {
  let check = 0;
  for (const letter of letters) {
    const value = LETTERS.indexOf(letter);
    if (value < 0) return false;
    check = timesX(check ^ value);
  }
  // The check letter of the data letters brings the code, the letter itself included, to nothing.
  return letters.length === length && check === 0;
}

whenReady("[data-checked-code]", (input) => {
  input.addEventListener("input", () => input.setCustomValidity(""));
  input.form.addEventListener("submit", (event) => {
    const [letters, short] = [tidy(input.value), Number(input.dataset.letters)];
    const wrong = letters !== "" && !(short && letters.length > short) && !isWellTyped(letters, short || LENGTH);
    input.setCustomValidity(wrong ? input.dataset.checkedCode : "");
    if (wrong) {
      event.preventDefault();
      input.reportValidity();
    }
  });
});
