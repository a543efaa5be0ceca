"""What one person may do alone is set by those who are not bound by it, and holds at once."""

from tests.web.console.acts import submit
from tests.web.console.conftest import SignIn
from tests.world import World

PAGE = "/console/limits"
_LIMITS = "SELECT ARRAY[adjustment_limit, issue_limit] FROM program"


async def test_finance_says_what_one_person_may_do_alone(sign_in: SignIn, world: World) -> None:
    finance, operator = await sign_in("finance"), await sign_in("operator")
    for wrong in ({"adjustment_limit": "-1"}, {"issue_limit": "many"}, {"issue_limit": ""}):
        sent = {"adjustment_limit": "5", "issue_limit": "6"} | wrong
        assert (await submit(finance, PAGE, PAGE, **sent)).status_code == 422
    assert (await operator.get(PAGE)).status_code == 200
    refused = await submit(operator, PAGE, PAGE, adjustment_limit="9", issue_limit="9")
    assert refused.status_code == 403
    assert await world.one(_LIMITS) == [10_000, 1_000]
    assert (await submit(finance, PAGE, PAGE, adjustment_limit="50", issue_limit="0")).status_code == 303
    assert await world.one(_LIMITS) == [50, 0]
    assert await world.one("SELECT before FROM audit_event WHERE action = 'program.limits'") == {
        "adjustment_limit": 10_000, "issue_limit": 1_000,
    }  # fmt: skip
    # It binds at once: sixty points wait for a second person.
    adjust = "/console/members/m-1/adjust"
    await submit(operator, "/console/members/m-1", adjust, points="60", why="sorry", key="k")
    assert await world.one("SELECT count(*) FROM adjustment_request") == 1
