"""What the till decides in the browser when there is no network, run by the Node.js that comes with the set-up."""

import json
import subprocess
from pathlib import Path
from typing import Any

import liyu

TILL = Path(liyu.__file__).parent / "static" / "js" / "till"

_JUDGE = """
import { findBar, findRefusal, timeOf } from "%(till)s/judge.js";
const HOUR = 3_600_000;
const clock = (wall) => ({ wall, steady: wall, origin: 0 });
const contact = {
  device: { id: 1 }, lease: { id: 7, quota: 2, cap_minor: 500, expires_at: 12 * HOUR }, zone: "Asia/Shanghai", gone: [9],
  server: 0, wall: 0, steady: 0, origin: 0, items: [{ id: 3, name: "x", value: 300, here: true, alone: true, from: null }],
};
const use = (hash, lease = 7) => ({ hash, lease, value: 300 });
const paper = { item: 3, lastDay: 719_164 };
const known = { contact, paper, genuine: true, hash: 5, uses: [], now: HOUR };
const ask = (change) => findRefusal({ ...known, ...change });
const without = (part) => ({ contact: { ...contact, [part]: null } });
console.log(JSON.stringify({
  good: ask({}), earlier: ask({ uses: [use(1, 6), use(2, 6)] }), unbound: ask({ contact: undefined }),
  stopped: ask(without("lease")), clock: ask({ now: null }), late: ask({ now: 12 * HOUR }),
  quota: ask({ uses: [use(1), use(2)] }), cap: ask({ uses: [use(1)] }),
  typed: ask({ paper: null, genuine: false }), forged: ask({ genuine: false }),
  gone: ask({ hash: 9 }), again: ask({ uses: [use(5)] }),
  old: ask({ paper: { item: 3, lastDay: 719_162 } }), other: ask({ paper: { item: 4, lastDay: 719_164 } }),
  bars: [findBar(known), findBar({ ...known, uses: [use(1), use(2)] })],
  times: [
    timeOf({}, clock(HOUR)), timeOf({ contact, latest: 0 }, clock(HOUR)), timeOf({ contact, latest: 2 * HOUR }, clock(HOUR)),
    timeOf({ contact, latest: 0 }, { wall: HOUR, steady: 2 * HOUR, origin: 0 }),
    timeOf({ contact, latest: 0 }, { wall: HOUR, steady: 2 * HOUR, origin: 1 }),
  ],
}));
"""

_WORKER = """
const handlers = {};
globalThis.self = {
  INSTALLATION: { version: "v", offline: "/partner/offline", files: [] },
  addEventListener: (name, handler) => { handlers[name] = handler; },
};
globalThis.location = { origin: "https://mall" };
globalThis.caches = { match: async (path) => new Response(`kept ${path}`) };
// A redirect to a path needs a page to start from.
Response.redirect = (to, status) => new Response(null, { status, headers: { Location: to } });
await import("%(till)s/worker.js");
async function visit(method, path, answer) {
  globalThis.fetch = async () => answer();
  let responded;
  handlers.fetch({ request: { method, url: `https://mall${path}`, mode: "navigate" }, respondWith: (one) => { responded = one; } });
  const response = await responded;
  return response.headers.get("Location") ?? `${response.status} ${await response.text()}`;
}
const broken = () => { throw new TypeError("no network"); };
const proxy = (status) => () => new Response("Bad gateway", { status });
const ours = () => new Response("busy", { status: 503, headers: { "Content-Security-Policy": "x" } });
console.log(JSON.stringify([
  await visit("GET", "/partner", broken), await visit("GET", "/partner/verify", proxy(502)),
  await visit("GET", "/partner", proxy(503)),
  await visit("GET", "/partner", ours), await visit("GET", "/partner", proxy(404)),
  await visit("POST", "/partner/verify/confirm", proxy(504)), await visit("POST", "/partner/verify/confirm", broken),
  await visit("POST", "/partner/verify/confirm", ours), await visit("POST", "/partner/verify", broken),
]));
process.exit();
"""


def run(script: str) -> Any:
    """What a module prints as JSON."""
    command = ["node", "--input-type=module", "--no-warnings", "--eval", script % {"till": TILL.as_uri()}]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_till_names_the_first_reason_against_a_paper() -> None:
    found = run(_JUDGE)
    assert found == {
        "good": None, "earlier": None, "unbound": "no_lease", "stopped": "stopped", "clock": "clock", "late": "lease_over",
        "quota": "over_quota", "cap": "over_cap", "typed": "needs_network", "forged": "unknown_voucher", "gone": "gone",
        "again": "taken_here", "old": "expired", "other": "wrong_partner", "bars": [None, "over_quota"],
        "times": [None, 3_600_000, None, None, 3_600_000],
    }  # fmt: skip


def test_a_server_that_is_down_behind_its_proxy_is_no_network_and_what_was_only_asked_is_not_unsure() -> None:
    alone = "200 kept /partner/offline"
    assert run(_WORKER) == [
        *(alone, alone, alone, "503 busy", "404 Bad gateway"),
        *("/partner/offline#unsure", "/partner/offline#unsure", "503 busy", "/partner/offline"),
    ]
