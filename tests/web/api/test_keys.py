"""Keys of the API: none, wrong, revoked."""

from datetime import timedelta

import pytest
from litestar import Litestar

from liyu.core.access.keys import revoke_api_key
from liyu.core.database import unit_of_work
from liyu.web.api import auth
from tests.web.api.world import Api, World, problem_of
from tests.web.conftest import NOW, OpenClient


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer lk_wrong", "Basic bGs6"])
async def test_without_a_good_key_there_is_no_way_in(open_client: OpenClient, world: World, header: str) -> None:
    client = open_client()
    before = await world.fingerprint()
    for method, path in (("GET", "/members/M1"), ("POST", "/redemptions"), ("POST", "/events"), ("GET", "/items")):
        answer = await client.request(method, f"/api/v1{path}", headers={"authorization": header} if header else {})
        problem_of(answer, 401, "api_key_required")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await world.fingerprint() == before


async def test_a_revoked_key_ends_within_seconds(
    api: Api, app: Litestar, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "REMEMBER_SECONDS", 0.0)
    assert (await api.get("/items")).status_code == 200
    async with unit_of_work(world.sessions) as session:
        await revoke_api_key(session, 1, now=NOW + timedelta(seconds=1))
    problem_of(await api.get("/items"), 401, "api_key_required")


async def test_unknown_paths_and_methods_are_problems_too(api: Api) -> None:
    problem_of(await api.get("/nothing"), 404, "not_found")
    problem_of(await api.delete("/members/M1"), 405, "method_not_allowed")


async def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    problem_of(await api.put("/members/M1", content=b" " * (10 * 1024 * 1024 + 1)), 413, "too_large")
