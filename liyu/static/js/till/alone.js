// The till without a network: read a paper, judge it, ask, take it, and send it as soon as there is a network again.
import { tryContact } from "./contact.js";
import { fill, money, nowBy, showDevice } from "./device.js";
import { findBar, findRefusal } from "./judge.js";
import { hashVoucher, isGenuine, readPaper } from "./paper.js";
import { sendOnTap } from "./send.js";
import { look, take } from "./shelf.js";
import { announce } from "./sound.js";

const page = document.querySelector("[data-till-alone]");
const words = JSON.parse(page.dataset.words);
const AGAIN = 15_000;
let offered = null;

function show(view) {
  for (const section of page.querySelectorAll("[data-view]")) section.hidden = section.dataset.view !== view;
  page.querySelector(`[data-view="${view}"] [data-first]`)?.focus();
}

function refuse(reason, item) {
  fill(page, { refusal: words[reason].title, reason: words[reason].text, item: item?.name ?? "" });
  announce("refused");
  show("refused");
}

const itemOf = (contact, paper) => contact.items.find((one) => one.id === paper.item);

async function judge(text) {
  const held = await look();
  const { contact } = held;
  const paper = readPaper(text);
  const genuine = Boolean(paper && contact?.keys && (await isGenuine(paper, contact.keys)));
  const hash = genuine ? await hashVoucher(paper.voucher, contact.key) : null;
  const judgeNow = (known) => findRefusal({ ...known, paper, genuine, hash, now: nowBy(known) });
  return { paper, hash, judgeNow, item: genuine ? itemOf(contact, paper) : null, refusal: judgeNow(held) };
}

async function takeIt({ paper, hash, item, judgeNow }) {
  // Bounds, time and item are those of the moment in which it is kept: there may have been a contact while the cashier looked.
  const refusal = await take((held) => {
    const reason = judgeNow(held);
    if (reason) return { refusal: reason };
    const { name, value } = itemOf(held.contact, paper);
    const nonce = crypto.randomUUID();
    return { use: { nonce, text: paper.text, hash, item: name, value, lease: held.contact.lease.id, at: nowBy(held), state: "waiting" } };
  }).catch(() => "storage");
  if (refusal) return refuse(refusal, item);
  fill(page, { item: item.name });
  announce("accepted");
  show("accepted");
  return showDevice();
}

function offer(judged) {
  const { item, paper } = judged;
  fill(page, { item: item.name, worth: item.value ? money(item.value) : "—", "last-day": lastDayOf(paper) });
  const rules = page.querySelector("[data-rules]");
  rules.replaceChildren(...item.rules.map((rule) => Object.assign(document.createElement("li"), { textContent: rule })));
  page.querySelector("[data-coupon]").hidden = !item.coupon;
  page.querySelector("[data-rules-part]").hidden = !item.rules.length;
  offered = judged;
  show("check");
}

const lastDayOf = ({ lastDay }) => new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: "UTC", dateStyle: "medium" }).format((lastDay - 719_163) * 86_400_000);

page.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.elements.code;
  const text = input.value.trim();
  input.value = "";
  if (!text) return input.focus();
  const judged = await judge(text).catch(() => ({ refusal: "storage" }));
  return judged.refusal ? refuse(judged.refusal, judged.item) : offer(judged);
});

page.querySelector("[data-take]").addEventListener("click", () => {
  const taken = offered;
  // What was tapped twice is taken once.
  offered = null;
  if (taken) takeIt(taken);
});

async function showAll() {
  const held = await showDevice();
  const bar = held ? findBar({ ...held, now: nowBy(held) }) : "storage";
  page.querySelector("[data-bar]").hidden = bar === null;
  fill(page, { ...(bar && { bar: words[bar].text }), ...(held?.contact?.device && { device: `${held.contact.device.store} · ${held.contact.device.name}` }) });
}

async function goOn() {
  const trouble = await tryContact();
  page.querySelector("[data-till-back]").hidden = trouble !== null;
  page.querySelector("[data-till-signed-out]").hidden = trouble !== "signed_out";
  await showAll();
}

page.querySelector("[data-unsure]").hidden = location.hash !== "#unsure";
sendOnTap(showAll);
addEventListener("online", goOn);
setInterval(goOn, AGAIN);
await showAll();
goOn();
