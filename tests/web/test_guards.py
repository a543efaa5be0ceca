"""Every route of the application, as every kind of visitor."""

import re
from collections.abc import Iterator

import httpx
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from liyu.core.database import Sessions
from liyu.web.actor import require_member, require_operator, require_partner
from liyu.web.api.auth import require_api_key
from liyu.web.csrf import EXEMPT
from liyu.web.pages import TEMPLATES
from liyu.web.routes import PUBLIC_OPTION, SIGNED_OPTION
from tests.web.conftest import OpenClient
from tests.web.personas import populate, sign_in_member, sign_in_staff

GUARDS = {require_member, require_partner, require_operator, require_api_key}
PREFIXES = {"/partner": require_partner, "/console": require_operator, "/api/v1": require_api_key}
SPELLED_OUT = re.compile(r"""(?<!~ )["'](/[a-z][a-z0-9/_.-]*[a-z0-9])(?:[?#][^"'{]*)?["'](?!\s*~)""")
"""A whole address between quotes, not the beginning or the end of one that is put together."""
EXAMPLES = {"int": "1", "str": "x", "uuid": "00000000-0000-0000-0000-000000000000", "path": "x", "date": "2026-11-22"}


def _handlers(app: Litestar) -> Iterator[tuple[HTTPRoute, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                is_ours = (handler.fn.__module__ or "").startswith("liyu.")
                if is_ours and handler.http_methods != {"OPTIONS"}:
                    yield route, handler


def _guards_of(handler: HTTPRouteHandler) -> set[object]:
    """The guards of the pages, and the hook that stands before every call of the API."""
    return {
        *handler.resolve_guards(),
        getattr(handler.resolve_before_request(), "func", handler.resolve_before_request()),
    } & GUARDS


def _example(route: HTTPRoute) -> str:
    parts = [part if isinstance(part, str) else EXAMPLES.get(part.type.__name__, "1") for part in route.path_components]
    return "/" + "/".join(parts)


async def test_every_route_has_the_guard_of_its_audience_or_says_that_it_is_open(app: Litestar) -> None:
    faults = []
    for route, handler in _handlers(app):
        guards = _guards_of(handler)
        is_open = bool(handler.opt.get(PUBLIC_OPTION) or handler.opt.get(SIGNED_OPTION))
        if len(guards) + is_open != 1:
            faults.append(f"{route.path}: guards {guards}, open {is_open}")
        expected = next((guard for prefix, guard in PREFIXES.items() if route.path.startswith(prefix)), require_member)
        if guards and guards != {expected}:
            faults.append(f"{route.path}: {guards} instead of {expected.__name__}")
    assert not faults


async def test_addresses_that_templates_spell_out_exist(app: Litestar) -> None:
    known = {route.path for route, _ in _handlers(app)}
    dead = [
        f"{template.relative_to(TEMPLATES)}: {address}"
        for template in TEMPLATES.rglob("*.html")
        for address in SPELLED_OUT.findall(re.sub(r"{#.*?#}", "", template.read_text(), flags=re.DOTALL))
        if address.rstrip("/") and address not in known
    ]
    assert not dead, "\n".join(dead)


async def test_only_keys_and_signed_webhooks_go_without_the_form_token(app: Litestar) -> None:
    for route, handler in _handlers(app):
        if handler.opt.get(EXEMPT):
            assert require_api_key in _guards_of(handler) or handler.opt.get(SIGNED_OPTION), route.path


@pytest.mark.parametrize("persona", ["guest", "member", "partner", "operator"])
async def test_nobody_gets_into_a_route_of_another_audience(
    app: Litestar, open_client: OpenClient, sessions: Sessions, persona: str
) -> None:
    await populate(sessions)
    client = open_client()
    if persona == "member":
        await sign_in_member(client, sessions)
    elif persona != "guest":
        email = "owner@alpha.example" if persona == "partner" else "admin@liyu.example"
        await sign_in_staff(client, email, persona)
    own = {"member": require_member, "partner": require_partner, "operator": require_operator}.get(persona)
    for route, handler in _handlers(app):
        guards = _guards_of(handler)
        if not guards or own in guards:
            continue
        for method in handler.http_methods:
            answer = await client.request(method, _example(route))
            allowed = {401} if require_api_key in guards else {303, 403}
            assert answer.status_code in allowed, f"{persona}: {method} {route.path} → {answer.status_code}"
            if answer.status_code == 303:
                assert "/login" in answer.headers["location"]


async def test_htmx_is_sent_to_the_login_page_with_401(client: httpx.AsyncClient) -> None:
    answer = await client.get("/console/account/security", headers={"hx-request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/console/login"


async def test_a_guest_comes_back_to_the_page_after_signing_in(client: httpx.AsyncClient) -> None:
    answer = await client.get("/account/security?a=1&b=2")
    assert answer.headers["location"] == "/login?next=/account/security%3Fa%3D1%26b%3D2"


async def test_the_schema_shows_no_html_pages(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/api/openapi.json")).json()["paths"]
    assert paths
    assert not [path for path in paths if "login" in path or "account" in path]
