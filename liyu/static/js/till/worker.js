// Keeps the files of the portal and the till for times without a network. Pages are never kept: they are somebody's.
const { version, offline, files } = self.INSTALLATION;
const OURS = /^portal-/;
const PATIENCE = 8000;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(version).then((cache) => cache.addAll([offline, ...files])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const forget = async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => OURS.test(name) && name !== version).map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(forget());
});

async function keep(request) {
  const cache = await caches.open(version);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}

// A network that is there in name only: a page that does not come in time gives way to the till of this device.
const inTime = (request) => Promise.race([fetch(request), new Promise((_, refuse) => { setTimeout(() => refuse(new Error("slow")), PATIENCE); })]);

// What stands before the server speaks for it when it is down; its own pages come with a policy.
const isOurs = (answer) => answer.status < 502 || answer.headers.has("Content-Security-Policy");

async function open(request, path) {
  const isRead = request.method === "GET";
  const answer = await (isRead && path === "/partner/verify" ? inTime(request) : fetch(request)).catch(() => null);
  if (answer && isOurs(answer)) return answer;
  if (isRead) return (await caches.match(offline)) ?? Response.error();
  // Whether a form that was sent has arrived is not known. One that asks what a code is good for takes nothing.
  return Response.redirect(path === "/partner/verify" ? offline : `${offline}#unsure`, 303);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method === "GET" && url.pathname.startsWith("/static/")) event.respondWith(keep(request));
  else if (request.mode === "navigate") event.respondWith(open(request, url.pathname));
});
