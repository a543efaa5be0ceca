"""A store's place and hours in the portal: who changes them, what a form takes, and what it refuses."""

import pytest

from tests.web.partner.conftest import Enter, Portal
from tests.web.personas import token_in

PAGE = "/partner/stores/SH1"
GOOD = {"address_zh": "南京西路 9 号", "address_en": "9 Nanjing Road", "opening_hours": "07:00-22:00"}
_PLACE = "SELECT ARRAY[latitude, longitude] FROM store WHERE code = %s"


async def test_an_owner_says_where_a_store_is(portal: Portal, enter: Enter) -> None:
    world, owner = portal.shops.world, await enter("owner")
    opened = await owner.get(PAGE)
    assert "geolocation=(self)" in opened.headers["permissions-policy"]
    assert "geolocation=()" in (await owner.get("/partner/stores")).headers["permissions-policy"]
    token = {"csrf_token": token_in(opened)}
    for wrong, words in {
        ("31.2", ""): "A place has both",
        ("91", "121"): "from -90 to 90",
        ("31", "-180.5"): "from -180 to 180",
        ("here", "there"): "Enter a number",
        ("121.4737, 31.2304", ""): "from -90 to 90",
    }.items():
        answer = await owner.post(PAGE, data=token | GOOD | dict(zip(("latitude", "longitude"), wrong, strict=True)))
        assert answer.status_code == 422
        assert words in answer.text, wrong
    assert (await owner.post(PAGE, data=token | GOOD | {"address_zh": ""})).status_code == 422
    assert await world.one(_PLACE, "SH1") == [None, None]
    assert await world.one("SELECT count(*) FROM audit_event WHERE action = 'store.change'") == 0
    assert "Not on the map yet" in (await owner.get("/partner/stores")).text

    for given, place in {
        ("31.230416789, 121.473701", ""): [31.230417, 121.473701],
        ("", "31.24，121.5"): [31.24, 121.5],
        ("-33.9", "18.4"): [-33.9, 18.4],
        ("", ""): [None, None],
    }.items():
        sent = token | GOOD | dict(zip(("latitude", "longitude"), given, strict=True))
        assert (await owner.post(PAGE, data=sent)).status_code == 303, given
        assert await world.one(_PLACE, "SH1") == place
    audited = await world.one("SELECT after FROM audit_event WHERE action = 'store.change' ORDER BY id LIMIT 1")
    assert audited == GOOD | {"latitude": 31.230417, "longitude": 121.473701}
    assert await world.one(_PLACE, "SH2") == [None, None]


@pytest.mark.parametrize(("who", "own", "others"), [("manager", 200, 404), ("finance", 403, 403), ("tea", 404, 404)])
async def test_others_change_their_own_stores_at_most(
    portal: Portal, enter: Enter, who: str, own: int, others: int
) -> None:
    client = await enter(who)
    for path, status in ((PAGE, own), ("/partner/stores/SH2", others)):
        assert (await client.get(path)).status_code == status
        token = token_in(await client.get("/partner"))
        answer = await client.post(path, data=GOOD | {"csrf_token": token})
        assert answer.status_code == (303 if status == 200 else status)
    listed = (await client.get("/partner/stores")).text
    assert ('href="/partner/stores/SH1"' in listed) is (who == "manager")
    assert 'href="/partner/stores/SH2"' not in listed
