import gzip
import re
from base64 import b64encode
from hashlib import sha256

import httpx
import pytest
from litestar import Litestar, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import Message
from liyu.core.settings import Settings
from liyu.members.models import Tier
from liyu.web import routes
from liyu.web.app import create_app, make_site
from liyu.web.pages import Page
from tests.web.conftest import serving

COMMIT_FAILS = """
CREATE TEMPORARY TABLE twice (number int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP;
INSERT INTO twice VALUES (1), (1)
"""


@get("/fails", opt={"public": True})
async def fails() -> Page:
    raise RuntimeError("the secret is 4711")


@get("/refuses", opt={"public": True})
async def refuses() -> Page:
    raise InvalidInputError.of_fields({"name": Message("This field is needed.")})


@get("/api/v1/refuses", opt={"public": True})
async def refuses_programs() -> Page:
    raise NotFoundError


@post("/writes", opt={"public": True, "exclude_from_csrf": True})
async def writes(session: NamedDependency[AsyncSession], fail_at: FromQuery[str] = "") -> Page:
    session.add(
        Tier(
            code="new",
            rank=99,
            name_zh="新",
            name_en="New",
            threshold=0,
            multiplier_basis_points=10_000,
            validity_months=12,
        )
    )
    await session.flush()
    if fail_at == "handler":
        raise NotFoundError
    if fail_at == "commit":
        await session.execute(text(COMMIT_FAILS))
    return Page(b"ok")


@pytest.fixture
def extra_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "liyu.web.app.collect_routes",
        lambda **options: [*routes.collect_routes(**options), fails, refuses, refuses_programs, writes],
    )
    monkeypatch.setattr("tests.web.site.site_for", make_site)


@pytest.mark.parametrize("path", ["/healthz", "/login", "/nowhere", "/api/v1/nowhere", "/console/login"])
async def test_every_answer_carries_the_headers_of_safety(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-request-id"]
    assert "strict-transport-security" not in answer.headers


async def test_behind_tls_cookies_are_bound_to_the_host(settings: Settings, clock: FixedClock) -> None:
    from dataclasses import replace

    async with serving(create_app(replace(settings, base_url="https://mall.example"), clock=clock)) as app:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="https://mall.example") as client:
            answer = await client.get("/login")
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-liyu_visitor=")
            assert "Secure" in cookie
            assert answer.headers["strict-transport-security"]
            assert (await client.get("/dev/outbox")).status_code == 404


async def test_a_guest_costs_no_query_and_gets_no_cookie(app: Litestar, client: httpx.AsyncClient) -> None:
    statements: list[str] = []
    engine = app.state.services.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    answer = await client.get("/nowhere")
    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers
    await client.get("/console/account/security")
    assert statements == []


@pytest.mark.parametrize(
    ("language", "words"), [("zh-CN,zh;q=0.9", "页面不存在"), ("en-GB", "This page does not exist")]
)
async def test_error_pages_speak_both_languages(client: httpx.AsyncClient, language: str, words: str) -> None:
    answer = await client.get("/nowhere", headers={"accept-language": language})
    assert answer.status_code == 404
    assert words in answer.text
    assert "<h1>" in answer.text


async def test_a_wrong_method_says_what_is_allowed(client: httpx.AsyncClient) -> None:
    answer = await client.put("/login")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert "<h1>" in answer.text


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/login", content=b"a=" + b"x" * (10 * 1024 * 1024), headers=FORM)
    assert answer.status_code == 413
    assert "10 MB" in answer.text


FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.usefixtures("extra_routes")
async def test_our_own_failure_gives_nothing_away(client: httpx.AsyncClient) -> None:
    for language, words in (("zh-CN", "我们这边出了点问题"), ("en", "Something went wrong on our side")):
        answer = await client.get("/fails", headers={"accept-language": language})
        assert answer.status_code == 500
        assert words in answer.text
        assert "4711" not in answer.text
        assert answer.headers["x-request-id"] in answer.text


@pytest.mark.usefixtures("extra_routes")
async def test_a_refusal_is_a_page_a_fragment_or_a_problem_document(client: httpx.AsyncClient) -> None:
    page = await client.get("/refuses")
    assert page.status_code == 422
    assert "This field is needed." in page.text
    fragment = await client.get("/refuses", headers={"hx-request": "true"})
    assert fragment.status_code == 422
    assert "<html" not in fragment.text
    problem = await client.get("/api/v1/refuses")
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json() == {
        "type": "urn:liyu:problem:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "This could not be found.",
        "code": "not_found",
    }
    chinese = await client.get("/api/v1/refuses", headers={"accept-language": "zh-CN"})
    assert chinese.json()["detail"] == "没有找到。"


@pytest.mark.usefixtures("extra_routes")
@pytest.mark.parametrize(("fail_at", "status", "kept"), [("", 200, 1), ("handler", 404, 0), ("commit", 500, 0)])
async def test_the_unit_of_work_commits_before_the_answer_or_not_at_all(
    client: httpx.AsyncClient, sessions: Sessions, fail_at: str, status: int, kept: int
) -> None:
    answer = await client.post(f"/writes?fail_at={fail_at}")
    assert answer.status_code == status
    async with sessions() as session:
        found = (await session.scalars(select(Tier).where(Tier.code == "new"))).all()
    assert len(found) == kept


async def test_the_language_switch_works_signed_out_and_comes_back(client: httpx.AsyncClient) -> None:
    assert 'lang="en"' in (await client.get("/login")).text
    answer = await client.get("/language/zh_CN?next=/login%3Fnext%3D/wallet")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=/wallet"
    page = await client.get("/login?next=/wallet")
    assert 'lang="zh-CN"' in page.text
    assert "/language/en?next=/login%3Fnext%3D/wallet" in page.text
    assert (await client.get("/language/en?next=https://evil.example")).headers["location"] == "/"
    assert (await client.get("/language/xx")).status_code == 404


async def test_static_files_have_addresses_that_keep_their_content(app: Litestar, client: httpx.AsyncClient) -> None:
    address = app.state.assets.address("css/tokens.css")
    plain = await client.get(address, headers={"accept-encoding": "identity"})
    assert plain.status_code == 200
    assert plain.headers["content-type"] == "text/css; charset=utf-8"
    async with client.stream("GET", address, headers={"accept-encoding": "gzip"}) as zipped:
        raw = b"".join([chunk async for chunk in zipped.aiter_raw()])
    assert gzip.decompress(raw) == plain.content
    again = await client.get(address, headers={"if-none-match": plain.headers["etag"]})
    assert again.status_code == 304
    assert (await client.get(address.replace("css/tokens.css", "../web/app.py"))).status_code == 404
    assert (await client.get(address.replace("css/tokens.css", "%2e%2e/%2e%2e/pyproject.toml"))).status_code == 404


async def test_who_arrives_gets_the_stylesheet_with_the_page_and_no_other_may_stand_there(
    client: httpx.AsyncClient,
) -> None:
    arriving, inside = await client.get("/items", headers={"sec-fetch-site": "none"}), await client.get("/items")
    [sheet] = re.findall(r"<style>(.*?)</style>", arriving.text, re.DOTALL)
    digest = b64encode(sha256(sheet.encode()).digest()).decode()
    assert f"style-src 'self' 'sha256-{digest}';" in arriving.headers["content-security-policy"]
    assert arriving.headers.get_list("content-security-policy") == [arriving.headers["content-security-policy"]]
    assert "../" not in sheet  # nothing that is looked for beside an address that the sheet has lost
    assert "<style" not in inside.text
    assert "style-src 'self';" in inside.headers["content-security-policy"]
    [linked] = re.findall(r'rel="stylesheet" href="([^"]+)"', inside.text)
    assert (await client.get(linked)).text == sheet
    login = await client.get("/partner/login", headers={"sec-fetch-site": "none"})
    assert "style-src 'self';" in login.headers["content-security-policy"]


async def test_covers_are_drawn_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.get("/covers/coffee-waves-cup.svg")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert (await client.get("/covers/nothing.svg")).status_code == 404


async def test_machines_are_told_how_the_process_is(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ok", "reasons": []}
    await client.get("/nowhere")
    metrics = (await client.get("/metrics")).text
    assert 'liyu_http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in metrics
    assert 'route="(unknown)",status="404"' in metrics


async def test_head_answers_like_get_without_the_body(client: httpx.AsyncClient) -> None:
    answer = await client.head("/healthz")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-length"] == "15"


async def test_not_ready_while_migrations_are_missing(sessions: Sessions, client: httpx.AsyncClient) -> None:
    async with sessions() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        await session.commit()
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "0000" in answer.json()["reasons"][0]


async def test_pages_are_compressed_only_where_they_hold_no_secret(client: httpx.AsyncClient) -> None:
    def encoding_of(answer: httpx.Response) -> str:
        return str(answer.headers.get("content-encoding", ""))

    first = await client.get("/items", headers={"accept-encoding": "gzip"})
    plain = await client.get("/items", headers={"accept-encoding": "identity"})
    assert (encoding_of(first), encoding_of(plain)) == ("gzip", "")
    assert first.text == plain.text
    assert "Accept-Encoding" in first.headers["vary"]
    # The page to sign in holds a token: the length of a compressed page would help to guess it.
    assert encoding_of(await client.get("/login", headers={"accept-encoding": "gzip"})) == ""
