"""Members vote in the mall: once, until they take it back; the result is there for all to see."""

import httpx

from liyu.catalog.evaluation.candidates import CandidateFacts, add_candidate
from tests.web.mall.conftest import Shop
from tests.web.personas import token_in

FRAGMENT = {"hx-request": "true"}


async def test_a_vote_counts_once_and_can_be_taken_back(shop: Shop, member: httpx.AsyncClient) -> None:
    world = shop.world
    facts = CandidateFacts("机场贵宾厅", "Airport lounge", "", "", "travel", "")
    candidate = await add_candidate(world.connection, facts, actor="t", now=world.clock.now())
    assert "/candidates" in (await member.get("/me")).text
    opened = await member.get("/candidates")
    assert "Airport lounge" in opened.text
    token = token_in(opened)
    for wanted, count in (("yes", 1), ("yes", 1), ("", 0), ("", 0), ("yes", 1)):
        fields = {"csrf_token": token, **({"wanted": wanted} if wanted else {})}
        answer = await member.post(f"/candidates/{candidate}", data=fields)
        assert answer.status_code == 303
        assert await world.one("SELECT count(*) FROM candidate_vote") == count
    part = await member.post(f"/candidates/{candidate}", data={"csrf_token": token}, headers=FRAGMENT)
    assert "<html" not in part.text
    assert "0 votes" in part.text
    await world.connection.execute("UPDATE right_candidate SET state = 'planned'")
    closed = await member.post(f"/candidates/{candidate}", data={"csrf_token": token, "wanted": "yes"})
    assert closed.status_code == 409
    assert await world.one("SELECT count(*) FROM candidate_vote") == 0
    assert (await member.post("/candidates/999", data={"csrf_token": token, "wanted": "yes"})).status_code == 404
