"""A strict system that carries top-ups out: it checks signatures, credits once for each id, and misbehaves as told."""

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from hmac import compare_digest, digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class TopUpPeer:
    """What it was told, what it has credited, and how it answers next."""

    def __init__(self) -> None:
        self.secret = ""
        self.credited: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, set[bytes]] = {}
        self.plans: list[str] = []
        self.now = 0.0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/top-up"

    def answer(self, message_id: str, stamp: str, signature: str, body: bytes) -> tuple[int, dict[str, str]] | None:
        """Status and body; None hangs up without a word. Whatever is credited is credited once."""
        key = b64decode(self.secret.removeprefix("whsec_"))
        expected = b64encode(digest(key, f"{message_id}.{stamp}.".encode() + body, sha256)).decode()
        if not compare_digest(signature, f"v1,{expected}") or abs(int(stamp) - self.now) > 300:
            return 401, {"status": "unauthorized"}
        seen = self.bodies.setdefault(message_id, set())
        seen.add(body)
        if len(seen) > 1:
            return 422, {"status": "body_changed"}
        plan = self.plans.pop(0) if self.plans else "deliver"
        if plan == "busy":
            return 503, {}
        if plan == "refuse":
            return 200, {"status": "refused", "reason": "no such number"}
        if plan == "pend":
            return 202, {"status": "pending"}
        self.credited.setdefault(message_id, json.loads(body)["data"])
        if plan == "deliver_then_hang_up":
            return None
        if plan == "deliver_late":
            time.sleep(1.5)
        return 200, {"status": "delivered"}

    def _handler(peer) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                said = self.headers
                answer = peer.answer(said["webhook-id"], said["webhook-timestamp"], said["webhook-signature"], body)
                if answer is None:
                    self.connection.close()
                    return
                status, words = answer
                content = json.dumps(words).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:
                    return

            def log_message(self, *args: Any) -> None:
                """Tests are quiet."""

        return Handler


@contextmanager
def listening() -> Iterator[TopUpPeer]:
    peer = TopUpPeer()
    thread = Thread(target=peer.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        peer.server.shutdown()
        peer.server.server_close()
        thread.join()
