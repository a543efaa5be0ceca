"""What machines ask of a process: is it alive, can it work, what has it done."""

from typing import Any

from litestar import Request, get
from sqlalchemy.exc import SQLAlchemyError

from liyu.core.migrations import current_revision, newest_revision
from liyu.web.api.problems import json_answer
from liyu.web.metrics import Metrics
from liyu.web.pages import Page
from liyu.web.services import Services, services_of

_OPEN = {"public": True}
_EXPOSITION = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


@get("/healthz", include_in_schema=False, opt=_OPEN, sync_to_thread=False)
def healthz() -> Page:
    """The process is alive."""
    return json_answer({"status": "ok"})


@get("/readyz", include_in_schema=False, opt=_OPEN)
async def readyz(request: Request[Any, Any, Any]) -> Page:
    """The process can work: 503 with the reasons otherwise."""
    reasons = await _find_reasons(services_of(request.app))
    content = {"status": "unavailable" if reasons else "ok", "reasons": reasons}
    return json_answer(content, status=503 if reasons else 200)


@get("/metrics", include_in_schema=False, opt=_OPEN, sync_to_thread=False)
def metrics(request: Request[Any, Any, Any]) -> Page:
    """Counters for Prometheus."""
    counters: Metrics = request.app.state.metrics
    return Page(counters.text(), headers=[_EXPOSITION])


async def _find_reasons(services: Services) -> list[str]:
    try:
        async with services.engine.connect() as connection:
            revision = await connection.run_sync(current_revision)
    except (SQLAlchemyError, OSError) as error:
        return [f"database: {type(error).__name__}"]
    newest = newest_revision()
    return [] if revision == newest else [f"migrations: at {revision or 'none'}, newest is {newest}"]
