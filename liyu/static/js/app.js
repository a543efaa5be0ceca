// Pages work without these modules; each one only makes something quicker.
import "./theme.js";
import "./dialog.js";
import "./confirm.js";
import "./countdown.js";
import "./drop.js";
import "./toast.js";
import "./copy.js";
import "./counter.js";
import "./search.js";
import "./sort.js";
import "./refresh.js";
import "./live.js";
import "./scan.js";
import "./scan-start.js";
import "./share.js";
import "./install.js";
import "./gift-code.js";
import "./near.js";
import "./place.js";

const first = document.querySelector("[data-focus]");
first?.focus();
// What was typed before is replaced by what is typed or scanned next.
first?.select?.();
document.querySelector(".side nav [aria-current]")?.scrollIntoView({ block: "nearest" });
