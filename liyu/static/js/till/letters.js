// The letters of codes and tokens, as liyu/vouchers/alphabet.py has them.
export const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const NO_LETTERS = /[^0-9A-Z]+/g;
const timesX = (value) => (value << 1) ^ (value & 16 ? 0b100101 : 0);

export const tidy = (text) => text.normalize("NFKC").toUpperCase().replace(NO_LETTERS, "");

export const repair = (letters) => letters.replaceAll("O", "0").replace(/[IL]/g, "1");

export const areLetters = (text) => [...text].every((letter) => LETTERS.includes(letter));

/** The check letter of a code: it tells every single wrong letter and every swap of neighbours. */
export function checkLetter(letters) {
  let check = 0;
  for (const letter of letters) check = timesX(check ^ LETTERS.indexOf(letter));
  return LETTERS[check];
}

/** The number that letters stand for, as a BigInt. */
export const readLetters = (letters) => [...letters].reduce((number, letter) => (number << 5n) | BigInt(LETTERS.indexOf(letter)), 0n);
