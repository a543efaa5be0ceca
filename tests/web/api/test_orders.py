"""What hosts are told of an order once it is granted: its parcels, and what a held one waits for."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from liyu.core.database import Sessions, driver_connection, unit_of_work
from liyu.core.settings import Settings
from liyu.redemption.shipping.parcels import Waybill, send_parcel
from tests.web.api.world import Api
from tests.web.conftest import NOW


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a payment provider; a hold is made without asking it."""
    return replace(settings, stripe_api_key="sk_test_1", stripe_webhook_secret="whsec_1")


async def test_an_order_tells_its_parcels_and_a_held_one_until_when_and_where_it_is_paid(
    api: Api, sessions: Sessions, settings: Settings
) -> None:
    number = (await api.redeem("M1", "CUP", "k1")).json()["number"]
    assert "shipping" not in (await api.get(f"/redemptions/{number}")).json()
    async with unit_of_work(sessions) as session:
        connection = await driver_connection(session)
        waybill = Waybill("SF", "SF1234567890123")
        await send_parcel(connection, number, waybill, partner_id=None, actor="staff:1", now=NOW)
    (parcel,) = (await api.get(f"/redemptions/{number}")).json()["shipping"]
    assert (parcel["carrier"], parcel["tracking_number"], parcel["received_at"]) == ("SF", "SF1234567890123", None)
    assert parcel["follow"].endswith("nu=SF1234567890123")
    async with unit_of_work(sessions) as session:
        await session.execute(text("UPDATE item SET cash_minor = 990 WHERE sku = 'LATTE'"))
    held = (await api.redeem("M1", "LATTE", "k2")).json()
    assert held["status"] == "held"
    assert held["pay"]["address"] == f"{settings.base_url}/redemptions/{held['number']}/pay"
    assert datetime.fromisoformat(held["pay"]["deadline"]) == NOW + timedelta(minutes=30)
    assert (await api.get(f"/redemptions/{held['number']}")).json()["pay"] == held["pay"]
    cancelled = await api.post(f"/redemptions/{held['number']}/cancel", json={})
    assert (cancelled.json()["status"], "pay" in cancelled.json()) == ("released", False)
