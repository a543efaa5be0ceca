"""The outermost layer, around every request, unknown paths included: visit, headers, metrics and the log line."""

import itertools
import secrets
from time import perf_counter
from typing import Any

import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from liyu.web.metrics import Metrics
from liyu.web.security import LOCATING_PATHS, POLICY, SCANNING_PATHS, security_headers
from liyu.web.services import Services
from liyu.web.visit import Visit

SLOW_SECONDS = 1.0
_FAILED = 500
_REFUSED = 400

log = structlog.get_logger("liyu.web")


class Shell:
    """One ASGI layer instead of five, because each of them would cost every page."""

    def __init__(
        self, app: ASGIApp, services: Services, metrics: Metrics, shortcuts: dict[tuple[str, str], ASGIApp]
    ) -> None:
        self.app = app
        self.shortcuts = shortcuts
        self.services = services
        self.metrics = metrics
        self.headers = security_headers(services.settings)
        self.scanning_headers = security_headers(services.settings, scanning=True)
        self.locating_headers = security_headers(services.settings, locating=True)
        # Unique over processes and restarts by the prefix, cheap by the counter.
        self._prefix = secrets.token_hex(5)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        inner: Any = scope
        if inner["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        is_head = inner["method"] == "HEAD"
        if is_head:
            # Every GET answers HEAD too; the body is dropped below.
            inner = {**scope, "method": "GET"}
        visit = inner["visit"] = Visit(inner, self.services, f"{self._prefix}{next(self._numbers):06x}")
        headers = self._choose_headers(visit.path)
        status = _FAILED

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = message["headers"]
                message["headers"] = [
                    *own,
                    *(headers[1:] if any(name == POLICY for name, _ in own) else headers),
                    (b"x-request-id", visit.request_id.encode()),
                    *visit.set_cookies,
                ]
            elif is_head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        try:
            serve = self.shortcuts.get((visit.method, visit.path), self.app)
            await serve(inner, receive, send_dressed)
        finally:
            seconds = perf_counter() - began
            self.metrics.observe(visit.method, inner.get("path_template") or "(unknown)", status, seconds)
            if _is_worth_a_line(visit, status, seconds):
                _write_line(visit, status, seconds)

    def _choose_headers(self, path: str) -> list[tuple[bytes, bytes]]:
        if path in SCANNING_PATHS:
            return self.scanning_headers
        return self.locating_headers if path.startswith(LOCATING_PATHS) else self.headers


def _is_worth_a_line(visit: Visit, status: int, seconds: float) -> bool:
    """What people changed, what was refused or failed, and what was slow.

    What programs changed through the API stands in the books with its actor; a line for each would cost a rush as much as the
    redemption itself.
    """
    if status >= _FAILED or seconds > SLOW_SECONDS:
        return True
    return visit.is_unsafe and (visit.caller is None or status >= _REFUSED)


def _write_line(visit: Visit, status: int, seconds: float) -> None:
    """One line for a request that changed something, failed or was slow; without query strings and bodies."""
    actor = visit.actor.reference if visit.actor else visit.caller.reference if visit.caller else None
    log.info(
        "request",
        request_id=visit.request_id,
        method=visit.method,
        path=visit.path,
        status=status,
        milliseconds=round(seconds * 1000, 1),
        actor=actor,
        address=visit.address,
    )
