"""Member service in the console: finding members, their timeline, notes, adjustments by two people, merging."""

from datetime import timedelta
from typing import Any

import pytest
from psycopg.errors import CheckViolation, RestrictViolation

from liyu.members.enrol import NewMember, enrol_members
from liyu.members.points.adjust import adjust_points
from liyu.members.profile import MemberChanges, save_member
from liyu.members.service.adjustments import list_requests
from liyu.members.service.finder import MemberFilter, list_members
from liyu.members.service.index import index_due
from liyu.redemption.timeline import EVENTS, read_timeline
from liyu.web.console.members_timeline import IN_WORDS, KINDS
from tests.web.conftest import NOW
from tests.web.console.acts import submit, texts_of
from tests.web.console.conftest import SignIn
from tests.web.personas import field_in
from tests.world import ZONE, World

PAGE = "/console/members/m-1"
PEOPLE = [
    ("a-1", "张小明", "+8613800138000"),
    ("a-2", "张伟", "+8613912345678"),
    ("a-3", "欧阳小明", "+8613812341234"),
    ("a-4", "Emma Smith", None),
]


async def enrol(world: World) -> None:
    async with world.connection.transaction():
        people = [NewMember(external_id=one, name=name, phone=phone) for one, name, phone in PEOPLE]
        await enrol_members(world.connection, people, actor="test", now=NOW - timedelta(days=3))


async def found(world: World, text: str = "", **filters: Any) -> list[str]:
    lines = (await list_members(world.connection, MemberFilter(text=text, **filters))).lines
    return [line.external_id for line in lines]


FINDS = [
    ("张", ["a-2", "a-1"]), ("小明", ["a-3", "a-1"]), ("张小明", ["a-1"]), ("明", ["a-3", "a-1"]), ("阳小", ["a-3"]),
    ("zxm", ["a-1"]), ("zhangx", ["a-1"]), ("xiaoming", ["a-3", "a-1"]), ("oyxm", ["a-3"]), ("ouyang", ["a-3"]),
    ("emma", ["a-4"]), ("smith emma", ["a-4"]), ("mma", []), ("1234", ["a-3", "a-2"]), ("12345678", ["a-2"]),
    ("138 0013 8000", ["a-1"]), ("+8613800138000", ["a-1"]), ("0138", ["a-1"]), ("123", []), ("a-2", ["a-2"]),
    ("'); --", []), ("&|!:*", []), ("%", []),
]  # fmt: skip


async def test_members_are_found_by_any_part_of_name_pinyin_initials_and_phone(world: World) -> None:
    await enrol(world)
    assert [(text, await found(world, text)) for text, _ in FINDS] == FINDS


async def test_whom_a_number_names_exactly_stands_first(world: World) -> None:
    await enrol(world)
    await world.connection.execute("UPDATE member SET card_number = '1234' WHERE external_id = 'a-1'")
    assert await found(world, "1234") == ["a-1", "a-3", "a-2"]


async def test_terms_go_with_the_name_whoever_changes_it_and_are_made_anew(world: World) -> None:
    await enrol(world)
    await world.connection.execute("UPDATE member SET name = '李雷' WHERE external_id = 'a-1'")
    assert await found(world, "张小明") == []
    assert await index_due(world.connection) == 1
    assert await found(world, "lilei") == ["a-1"]
    async with world.connection.transaction():
        await save_member(world.connection, "a-1", MemberChanges(name=None, phone=None), actor="x", now=NOW, zone=ZONE)
    assert await found(world, "lilei") == await found(world, "0138") == []
    assert await world.one("SELECT count(*) FROM member_terms") == 3


async def test_filters_narrow_the_list_and_pages_follow_each_other(world: World) -> None:
    await enrol(world)
    assert await found(world, balance_from=1, balance_to=5_000) == ["m-1"]
    assert await found(world, joined_before=NOW - timedelta(days=1)) == ["a-4", "a-3", "a-2", "a-1"]
    assert await found(world, tier="gold") == []
    seen: list[str] = []
    after = None
    while True:
        page = await list_members(world.connection, MemberFilter(), after=after, size=2)
        seen += [line.external_id for line in page.lines]
        after = page.next
        if after is None:
            break
    assert seen == ["a-4", "a-3", "a-2", "a-1", "m-2", "m-1"]


async def test_the_list_says_what_it_filters(sign_in: SignIn, world: World) -> None:
    await enrol(world)
    client = await sign_in("service")
    text = texts_of(await client.get("/console/members?q=zxm&balance_from=0&joined_from=2026-11-01&state=active"))
    assert "张小明" in text
    assert "138****8000" in text
    assert "欧阳小明" not in text
    assert "张伟" not in texts_of(await client.get("/console/members?balance_from=10"))
    assert (await client.get("/console/members?balance_from=x&joined_to=never")).status_code == 200


async def test_every_event_of_a_member_stands_in_the_timeline(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    await submit(client, PAGE, f"{PAGE}/notes", text="Calls on Mondays")
    await submit(client, PAGE, f"{PAGE}/state", wanted="frozen", reason="Lost phone")
    await submit(client, PAGE, f"{PAGE}/state", wanted="active", reason="Found")
    await submit(client, PAGE, f"{PAGE}/adjust", points="70", why="Sorry", key="k")
    redeemed = await world.redeem("m-1", "coupon-1")
    number, voucher = redeemed.number, f"/console/vouchers/{redeemed.voucher_ids[0]}"
    assert f'href="{voucher}"' in (await client.get(PAGE)).text
    assert (await submit(client, voucher, f"{voucher}/act", wanted="freeze", reason="Stolen")).status_code == 303
    every = texts_of(await client.get(PAGE))
    for page in (PAGE, voucher, "/console/vouchers?q=m-1", f"/console/redemptions/{number}"):
        assert '<span class="pill red">Frozen</span>' in (await client.get(page)).text, page
    assert voucher in (await client.get("/console/vouchers?q=m-1")).text
    for words in (
        "Calls on Mondays",
        "Lost phone",
        "+70",
        "Sorry",
        number,
        "Purchase",
        "Joined the program",
        "Note written",
        "Stolen",
    ):
        assert words in every, words
    for kind in EVENTS:
        assert (await client.get(f"{PAGE}?show={kind}")).status_code == 200, kind
    assert "Sorry" not in texts_of(await client.get(f"{PAGE}?show=orders"))
    assert "5,070" in texts_of(await client.get(f"{PAGE}?show=points"))
    for address in ("?after=x", "?after=2026-11-22T00:00:00~points~1", "?after=2026-11-22T00:00:00Z~no~1", "?show=no"):
        assert (await client.get(PAGE + address)).status_code == 200, address


async def test_today_shows_what_waits_for_whoever_looks(sign_in: SignIn, world: World) -> None:
    operator, finance, service = [await sign_in(role) for role in ("operator", "finance", "service")]
    assert "Waits for you" not in texts_of(await finance.get("/console"))
    assert (await submit(operator, PAGE, f"{PAGE}/adjust", points="99999", why="Much", key="k")).status_code == 303
    # Nobody approves what they asked for, and service approves nothing.
    for client in (operator, service):
        today = await client.get("/console")
        assert today.status_code == 200
        assert "Waits for you" not in texts_of(today)
    assert "Waits for you Adjustments 1" in texts_of(await finance.get("/console"))


async def test_the_timeline_pages_without_gaps_or_repeats(world: World) -> None:
    for _ in range(4):
        await world.post(world.event("m-1", "share"))
    member = await world.one("SELECT id FROM member WHERE external_id = 'm-1'")
    whole = (await read_timeline(world.connection, member, size=100)).events
    paged, after = [], None
    while True:
        page = await read_timeline(world.connection, member, after=after, size=2)
        paged += page.events
        after = page.next
        if after is None:
            break
    assert paged == whole
    assert [event.at for event in whole] == sorted((event.at for event in whole), reverse=True)


async def test_notes_stay_as_they_were_written(sign_in: SignIn, world: World) -> None:
    client = await sign_in("service")
    assert (await submit(client, PAGE, f"{PAGE}/notes", text=" ")).status_code == 422
    assert await world.one("SELECT count(*) FROM member_note") == 0
    assert (await submit(client, PAGE, f"{PAGE}/notes", text="Prefers mail")).status_code == 303
    assert "Prefers mail" in texts_of(await client.get(PAGE))
    for statement in ("UPDATE member_note SET text = 'x'", "DELETE FROM member_note"):
        with pytest.raises(RestrictViolation):
            await world.connection.execute(statement)


async def _ask(client: Any, points: str = "20000") -> int:
    answer = await submit(client, PAGE, f"{PAGE}/adjust", points=points, why="Prize", key=f"big{points}")
    assert answer.status_code == 303, texts_of(answer)
    queue = await client.get("/console/adjustments")
    assert "Prize" in texts_of(queue)
    return 0


async def test_above_the_limit_points_move_only_when_somebody_else_approves(sign_in: SignIn, world: World) -> None:
    asker, other = await sign_in("operator"), await sign_in("finance")
    await _ask(asker)
    assert (await world.balances("m-1"))["points"] == 5_000
    (request,) = (await list_requests(world.connection)).lines
    decide = f"/console/adjustments/{request.id}/decide"
    own = await submit(asker, PAGE, decide, wanted="approved")
    assert (own.status_code, (await world.balances("m-1"))["points"]) == (409, 5_000)
    service = await sign_in("service")
    assert (await submit(service, PAGE, decide, wanted="approved")).status_code == 403
    assert (await submit(other, "/console/adjustments", decide, wanted="refused", decision="")).status_code == 422
    assert (await submit(other, "/console/adjustments", decide, wanted="approved")).status_code == 303
    assert (await world.balances("m-1"))["points"] == 25_000
    again = await submit(other, PAGE, decide, wanted="approved")
    assert (again.status_code, (await world.balances("m-1"))["points"]) == (409, 25_000)
    assert await world.one("SELECT count(*) FROM audit_event WHERE action ^@ 'member.adjust'") == 2


async def test_a_refused_request_moves_nothing_and_says_why(sign_in: SignIn, world: World) -> None:
    asker, other = await sign_in("operator"), await sign_in("finance")
    # What is not there is refused when it is asked for, and again when it is decided.
    refused = await submit(asker, PAGE, f"{PAGE}/adjust", points="-15000", why="Mistake", key="much")
    assert (refused.status_code, (await list_requests(world.connection)).lines) == (409, [])
    assert "The member has 5,000 points; 15,000 cannot be taken." in texts_of(refused)
    await world.connection.execute("UPDATE program SET adjustment_limit = 1000")
    await _ask(asker, "-4500")
    async with world.connection.transaction():
        await adjust_points(world.connection, "m-1", -1_000, reason="x", key="x", actor="x", now=NOW, zone=ZONE)
    (request,) = (await list_requests(world.connection)).lines
    decide = f"/console/adjustments/{request.id}/decide"
    assert (await submit(other, "/console/adjustments", decide, wanted="approved")).status_code == 409
    answer = await submit(other, "/console/adjustments", decide, wanted="refused", decision="No reason to")
    assert answer.status_code == 303
    assert "No reason to" in texts_of(await asker.get("/console/adjustments?state=refused"))
    assert "No reason to" in texts_of(await asker.get(PAGE))
    assert (await world.balances("m-1"))["points"] == 4_000


async def test_many_small_adjustments_of_one_day_are_one_large_one(sign_in: SignIn, world: World) -> None:
    client = await sign_in("operator")
    for number in range(3):
        await submit(client, PAGE, f"{PAGE}/adjust", points="4000", why="Slice", key=f"s{number}")
        await submit(client, PAGE, f"{PAGE}/adjust", points="4000", why="Slice", key=f"s{number}")
    assert (await world.balances("m-1"))["points"] == 13_000
    assert len((await list_requests(world.connection, state="requested")).lines) == 1


async def test_the_database_lets_nobody_approve_their_own_request(sign_in: SignIn, world: World) -> None:
    await _ask(await sign_in("operator"))
    with pytest.raises(CheckViolation):
        await world.connection.execute(
            "UPDATE adjustment_request SET state = 'approved', decided_by = requested_by, decided_at = now()"
        )
    with pytest.raises(RestrictViolation):
        await world.connection.execute("UPDATE adjustment_request SET points = 1")


async def test_two_members_are_merged_as_the_preview_shows(sign_in: SignIn, world: World) -> None:
    client, page = await sign_in("operator"), "/console/members/m-2/merge"
    await world.redeem("m-1", "coupon-1")
    assert "5,000" not in texts_of(await client.get(page))
    assert "m-1" in texts_of(await client.get(f"{page}?q=m-1"))
    preview = await client.get(f"{page}?source=m-1")
    assert "4,900" in texts_of(preview)
    assert await world.one("SELECT count(*) FROM member_merge") == 0
    fields = {"source": "m-1", "seen": field_in(preview, "seen"), "reason": "Same passport"}
    assert (await submit(client, f"{page}?source=m-1", page, **fields)).status_code == 422
    stale = await submit(client, f"{page}?source=m-1", page, **{**fields, "seen": "x"}, checked="yes")
    assert stale.status_code == 409
    assert (await world.balances("m-2"))["points"] == 0
    service = await sign_in("service")
    assert (await service.get(page)).status_code == 403
    assert (await submit(client, f"{page}?source=m-1", page, **fields, checked="yes")).status_code == 303
    assert (await world.balances("m-2"))["points"] == 4_900
    led = await client.get(PAGE)
    assert (led.status_code, led.headers["location"]) == (303, "/console/members/m-2")
    text = texts_of(await client.get("/console/members/m-2"))
    assert "m-1 was merged into this member" in text
    assert "Same passport" in text
    assert await found(world, "m-1") == ["m-2"]
    assert await found(world, state="merged") == ["m-1"]
    refused = await submit(client, "/console/members/m-2", page, **fields, checked="yes")
    assert refused.status_code == 409
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'member.merge'") == 1


def test_the_timeline_offers_every_kind_it_knows() -> None:
    assert set(KINDS) == set(EVENTS) == set(IN_WORDS)


async def test_two_memberships_become_one_person_and_part_again(sign_in: SignIn, world: World) -> None:
    await enrol(world)
    client = await sign_in("admin")
    for faulty in ({"same_person_as": "nobody"}, {"same_person_as": "m-1"}, {"bind_reason": ""}):
        refused = await submit(
            client, PAGE, f"{PAGE}/person/bind", **{"same_person_as": "a-1", "bind_reason": "x"} | faulty
        )
        assert refused.status_code == 422, faulty
    assert (await submit(client, PAGE, f"{PAGE}/person/part", part_reason="x")).status_code == 422
    assert await world.one("SELECT count(*) FROM member WHERE person_id IS NOT NULL") == 0
    bound = await submit(client, PAGE, f"{PAGE}/person/bind", same_person_as="a-1", bind_reason="Same passport")
    assert bound.status_code == 303
    assert "张小明" in texts_of(await client.get(PAGE))
    assert "m-1" in texts_of(await client.get("/console/members/a-1"))
    assert (await submit(client, PAGE, f"{PAGE}/person/part", part_reason="")).status_code == 422
    assert (await submit(client, PAGE, f"{PAGE}/person/part", part_reason="Twins")).status_code == 303
    assert await world.one("SELECT count(*) FROM member WHERE person_id IS NOT NULL") == 0
    kept = await world.connection.execute(
        "SELECT after FROM audit_event WHERE action LIKE 'member.person.%' ORDER BY id"
    )
    assert [row[0] for row in await kept.fetchall()] == [
        {"same_person_as": "a-1", "bind_reason": "Same passport"}, {"part_reason": "Twins"}
    ]  # fmt: skip
    service = await sign_in("service")
    assert (
        await submit(service, PAGE, f"{PAGE}/person/bind", same_person_as="a-1", bind_reason="x")
    ).status_code == 403
