// The till without a network: read a paper, judge it, ask, take it, and send it as soon as there is a network again.
import { comeIntoContact, SignedOut } from "./contact.js";
import { clockNow, fill, money, showDevice } from "./device.js";
import { findRefusal, timeOf } from "./judge.js";
import { hashVoucher, isGenuine, readPaper } from "./paper.js";
import { look, take } from "./shelf.js";
import { announce } from "./sound.js";

const page = document.querySelector("[data-till-alone]");
const words = JSON.parse(page.dataset.words);
const AGAIN = 15_000;

function show(view) {
  for (const section of page.querySelectorAll("[data-view]")) section.hidden = section.dataset.view !== view;
  page.querySelector(`[data-view="${view}"] [data-first]`)?.focus();
}

function refuse(reason, item) {
  fill(page, { refusal: words[reason].title, reason: words[reason].text, item: item ?? "" });
  announce("refused");
  show("refused");
}

async function judge(text) {
  const { contact, latest, uses } = await look();
  const paper = readPaper(text);
  const genuine = Boolean(paper && contact?.keys && (await isGenuine(paper, contact.keys)));
  const hash = genuine ? await hashVoucher(paper.voucher, contact.key) : null;
  const judgeNow = (known) => findRefusal({ ...known, paper, genuine, hash, now: known.contact ? timeOf(known.contact, known.latest, clockNow()) : null });
  const item = genuine ? contact.items.find((one) => one.id === paper.item) : null;
  return { paper, hash, item, contact, judgeNow, refusal: judgeNow({ contact, latest, uses }) };
}

async function takeIt({ paper, hash, item, contact, judgeNow }) {
  const { latest } = await look();
  const use = {
    nonce: crypto.randomUUID(), text: paper.text, hash, item: item.name, value: item.value, lease: contact.lease.id,
    at: timeOf(contact, latest, clockNow()), state: "waiting",
  };
  const refusal = await take(use, judgeNow);
  if (refusal) return refuse(refusal, item.name);
  announce("accepted");
  show("accepted");
  return showDevice();
}

page.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.elements.code;
  if (!input.value.trim()) return input.focus();
  const judged = await judge(input.value);
  input.value = "";
  if (judged.refusal) return refuse(judged.refusal, judged.item?.name);
  const { item } = judged;
  fill(page, { item: item.name, worth: item.value ? money(item.value) : "—", "last-day": lastDayOf(judged.paper) });
  const rules = page.querySelector("[data-rules]");
  rules.replaceChildren(...item.rules.map((rule) => Object.assign(document.createElement("li"), { textContent: rule })));
  page.querySelector("[data-coupon]").hidden = !item.coupon;
  page.querySelector("[data-rules-part]").hidden = !item.rules.length;
  page.querySelector("[data-take]").addEventListener("click", () => takeIt(judged), { once: true });
  return show("check");
});

const lastDayOf = ({ lastDay }) => new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: "UTC", dateStyle: "medium" }).format((lastDay - 719_163) * 86_400_000);

async function goOn() {
  const trouble = await comeIntoContact().then(() => null, (reason) => reason);
  page.querySelector("[data-till-back]").hidden = trouble !== null;
  page.querySelector("[data-till-signed-out]").hidden = !(trouble instanceof SignedOut);
  await showDevice();
}

page.querySelector("[data-unsure]").hidden = location.hash !== "#unsure";
addEventListener("online", goOn);
document.addEventListener("click", (event) => event.target.closest("[data-till-send]") && goOn());
setInterval(goOn, AGAIN);
const { contact } = await look();
page.querySelector("[data-not-bound]").hidden = Boolean(contact?.device);
if (contact?.device) fill(page, { device: `${contact.device.store} · ${contact.device.name}` });
await showDevice();
goOn();
