// How a result sounds and feels: two rising notes for a yes, two falling ones for a no. Silent where the browser does not allow it.
const CHOICE = "liyu-till-sound";
const HEARD = "liyu-till-heard";
const NOTES = { accepted: [880, 1175], refused: [233, 175] };
const BUZZ = { accepted: 60, refused: [120, 80, 120] };
const NOTE_SECONDS = 0.13;
const PATIENCE = 300;

const isOn = () => localStorage.getItem(CHOICE) !== "off";
// A tap on this page, or on the one that led here: a browser says no to anything else, and complains of having been asked.
const isTouched = () => navigator.userActivation?.hasBeenActive || document.referrer.startsWith(`${location.origin}/`);

function schedule(context, pitch, turn) {
  const [note, volume] = [context.createOscillator(), context.createGain()];
  const begin = context.currentTime + turn * NOTE_SECONDS;
  note.frequency.value = pitch;
  volume.gain.setValueAtTime(0.25, begin);
  volume.gain.exponentialRampToValueAtTime(0.001, begin + NOTE_SECONDS);
  note.connect(volume).connect(context.destination);
  note.start(begin);
  note.stop(begin + NOTE_SECONDS);
  return note;
}

// A page that nobody has touched may make no sound. Nothing is kept for later: it would be heard with another voucher.
async function play(pitches) {
  if (!globalThis.AudioContext) return;
  const context = new AudioContext();
  const deadline = new Promise((wake) => { setTimeout(wake, PATIENCE); });
  await Promise.race([context.resume().catch(() => {}), deadline]);
  if (context.state !== "running") return context.close();
  const notes = pitches.map((pitch, turn) => schedule(context, pitch, turn));
  notes.at(-1).addEventListener("ended", () => context.close());
}

/** Lets a result be heard, if sound is on, and felt: `accepted` or `refused`. */
export function announce(kind) {
  if (!(kind in NOTES)) return;
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(BUZZ[kind]);
  if (isOn() && isTouched()) play(NOTES[kind]);
}

function showChoice(button) {
  button.setAttribute("aria-pressed", String(isOn()));
  for (const icon of button.querySelectorAll("[data-when]")) icon.hidden = (icon.dataset.when === "on") !== isOn();
}

for (const button of document.querySelectorAll("[data-till-sound]")) {
  button.hidden = !globalThis.AudioContext;
  showChoice(button);
  button.addEventListener("click", () => {
    localStorage.setItem(CHOICE, isOn() ? "off" : "on");
    showChoice(button);
    if (isOn()) play(NOTES.accepted);
  });
}

// Opened once more, a verification is no news.
const shown = document.querySelector("[data-result]");
const isNews = shown && (shown.dataset.result !== "accepted" || sessionStorage.getItem(HEARD) !== location.pathname);
if (isNews) {
  announce(shown.dataset.result);
  sessionStorage.setItem(HEARD, location.pathname);
}
