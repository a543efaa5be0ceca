// The code on paper (S1): voucher in disguise, last day, item and an Ed25519 signature over them, as liyu/vouchers/tokens.py makes it.
import { areLetters, readLetters, tidy } from "./letters.js";

const [MARK, VOUCHER, DAY, ITEM, SIGNATURE] = [2, 11, 4, 6, 103];
const HEAD = MARK + VOUCHER + DAY + ITEM;

/** What a paper says of itself; nothing for any other text. */
export function readPaper(text) {
  const letters = tidy(text);
  if (!letters.startsWith("S1") || letters.length !== HEAD + SIGNATURE || !areLetters(letters)) return null;
  const signature = readLetters(letters.slice(HEAD));
  if (signature >> 512n) return null;
  return {
    text: letters,
    voucher: letters.slice(MARK, MARK + VOUCHER),
    lastDay: Number(readLetters(letters.slice(MARK + VOUCHER, MARK + VOUCHER + DAY))),
    item: Number(readLetters(letters.slice(MARK + VOUCHER + DAY, HEAD))),
    signature: Uint8Array.from({ length: 64 }, (_, index) => Number((signature >> BigInt(8 * (63 - index))) & 255n)),
  };
}

export const bytesOf = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));

async function checkSignature(signature, message, key) {
  try {
    const imported = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", imported, signature, message);
  } catch {
    // This browser has no Ed25519 of its own.
    const library = await import("../../vendor/noble-ed25519.js");
    return library.verifyAsync(signature, message, key);
  }
}

/** Whether one of the program's keys signed it. */
export async function isGenuine(paper, keys) {
  const message = new TextEncoder().encode(paper.text.slice(0, HEAD));
  for (const key of keys) if (await checkSignature(paper.signature, message, bytesOf(key))) return true;
  return false;
}

/** A voucher as the list knows it: 48 bits of a hash with the device's own key. */
export async function hashVoucher(voucher, key) {
  const imported = await crypto.subtle.importKey("raw", bytesOf(key), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const hash = new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(voucher)));
  return numberOf(hash.subarray(0, 6));
}

const numberOf = (bytes) => bytes.reduce((number, byte) => number * 256 + byte, 0);

/** The numbers of a list that travelled as base64. */
export function numbersOf(base64) {
  const bytes = bytesOf(base64);
  return Array.from({ length: bytes.length / 6 }, (_, index) => numberOf(bytes.subarray(6 * index, 6 * index + 6)));
}
