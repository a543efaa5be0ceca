"""Paying a part with points (nopSolutions/nopCommerce#557, odoo/odoo#264931): coupons of so many yuan for so many points."""

import pytest

from liyu.redemption.errors import RefusedError
from tests.world import open_world


async def test_the_member_chooses_how_many_points_to_use_up_to_the_most_of_an_order(database_url: str) -> None:
    async with open_world(database_url) as world:
        await world.member("m", points=1_000)
        # 10 yuan for 100 points, for purchases from 100 yuan: at most a tenth is paid by each, and at most 30 yuan by an order.
        sku = await world.item(points=100, per_order_limit=3)
        await world.connection.execute(
            "UPDATE item SET coupon_purpose = 'ordinary', coupon_form = 'cash', coupon_benefit = 1000, "
            "coupon_threshold_minor = 10000"
        )
        for quantity in (1, 3):
            before = (await world.balances("m"))["points"]
            redeemed = await world.redeem("m", sku, quantity)
            assert (redeemed.points, len(redeemed.voucher_ids)) == (quantity * 100, quantity)
            assert (await world.balances("m"))["points"] == before - quantity * 100
        footprint = await world.footprint()
        with pytest.raises(RefusedError) as refused:
            await world.redeem("m", sku, 4)
        assert [reason.code for reason in refused.value.reasons] == ["limit_reached"]
        assert await world.footprint() == footprint
