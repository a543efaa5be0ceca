"""Rights evaluation in the console: sheets, ranking, candidates, targets. A refusal changes nothing."""

import re

from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.world import World

SHEET = {"attractiveness": "9", "feasibility": "8", "partner_quality": "7", "cost": "2", "reason": "Asked members"}


async def test_a_right_is_scored_drawn_and_ranked(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/evaluation/items/tea"
    assert (await submit(client, page, page, **{**SHEET, "cost": "11"})).status_code == 422
    assert await world.one("SELECT count(*) FROM score_sheet") == 0
    assert (await submit(client, page, page, **SHEET)).status_code == 303
    shown = await client.get(page)
    assert re.search(r'<svg class="chart radar".*?role="img"', shown.text)
    assert "Cost efficiency 2.0 2.0" in texts_of(shown)
    assert "Overall score 5.6" in texts_of(shown)
    ranking = texts_of(await client.get("/console/evaluation"))
    assert re.search(r"tea \D*1 .* 5\.6 9\.0 8\.0 7\.0 2\.0 Cost efficiency", ranking)
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'evaluation.score'") == 1
    service = await sign_in("service")
    assert (await submit(service, page, page, **SHEET)).status_code == 403


async def test_a_candidate_is_proposed_scored_edited_and_led_on(sign_in: SignIn, world: World) -> None:
    client, new = await sign_in("operator"), "/console/candidates/new"
    facts = {"name_zh": "贵宾厅", "name_en": "Lounge", "scene": "travel"}
    assert (await submit(client, new, new, **{**facts, "scene": "x"})).status_code == 422
    assert await world.one("SELECT count(*) FROM right_candidate") == 0
    page = (await submit(client, new, new, **facts)).headers["location"]
    for path, fields, status in (
        (f"{page}/score", SHEET, 303),
        (f"{page}/score", {**SHEET, "reason": ""}, 422),
        (page, {**facts, "name_en": "Airport lounge"}, 303),
        (f"{page}/state", {"wanted": "listed", "reason": "r", "sku": "none"}, 422),
        (f"{page}/state", {"wanted": "listed", "reason": "r", "sku": "tea"}, 303),
        (f"{page}/state", {"wanted": "open", "reason": "r"}, 409),
    ):
        answer = await submit(client, page, path, **fields)
        assert answer.status_code == status, (path, fields)
    assert await world.one("SELECT array[state, name_en] FROM right_candidate") == ["listed", "Airport lounge"]
    assert "Airport lounge" in texts_of(await client.get("/console/candidates"))


async def test_targets_are_set_together_or_not_at_all(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/evaluation/mix"
    refused = await submit(client, page, page, scene_travel="4", scene_car="many")
    assert refused.status_code == 422
    assert await world.one("SELECT count(*) FROM mix_target") == 0
    assert (await submit(client, page, page, scene_travel="4", scene_dining="1")).status_code == 303
    shown = texts_of(await client.get(page))
    assert "The mall is thin in: Travel." in shown
    assert "4 missing" in shown
