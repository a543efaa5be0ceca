"""An operator says where a partner's store is."""

from liyu.partners.register import import_partners
from tests.partners.settling import partner_record
from tests.partners.test_register import STORE
from tests.web.conftest import NOW
from tests.web.console.acts import submit
from tests.web.console.conftest import SignIn
from tests.world import World

PAGE = "/console/stores/P1-SH01"


async def test_an_operator_says_where_a_store_is(sign_in: SignIn, world: World) -> None:
    async with world.connection.transaction():
        await import_partners(world.connection, [partner_record("P1", stores=[STORE])], actor="test", now=NOW)
    operator = await sign_in("operator")
    assert f'href="{PAGE}"' in (await operator.get("/console/partners/P1")).text
    place = {"address_zh": "新址", "address_en": "New", "latitude": "31.2304, 121.4737", "longitude": ""}
    assert (await submit(operator, PAGE, PAGE, **place | {"address_en": ""})).status_code == 422
    assert await world.one("SELECT latitude FROM store") is None
    saved = await submit(operator, PAGE, PAGE, **place)
    assert saved.headers["location"] == "/console/partners/P1#stores"
    assert await world.one("SELECT ARRAY[latitude, longitude] FROM store") == [31.2304, 121.4737]
    shown = (await operator.get(PAGE)).text
    assert 'value="31.2304"' in shown
    assert "geo:31.2304,121.4737" in shown
    assert (await operator.get("/console/stores/NONE")).status_code == 404
    service = await sign_in("service")
    assert PAGE not in (await service.get("/console/partners/P1")).text
    assert (await service.get(PAGE)).status_code == 403
