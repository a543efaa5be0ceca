"""The demo's shop window: two collections, banners that lead there, and rows of the home page."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection

from liyu.catalog.curating import (
    BannerDraft,
    CollectionDraft,
    SectionDraft,
    add_banner,
    save_collection,
    save_sections,
)
from liyu.catalog.planned_prices import PriceDraft, plan_price
from liyu.core.clock import local_date, start_of_day
from liyu.demo.history import ACTOR

_SEASON_ITEM, _SEASON_PRICE = "G-FLASK", 690
_COLLECTIONS = (
    (
        CollectionDraft(
            code="weekend",
            title_zh="周末好去处",
            title_en="Out at the weekend",
            intro_zh="看场电影，吃顿点心，住一晚，都用积分。",
            intro_en="A film, dim sum, a night away: all of it with points.",
        ),
        ["WANDA-2D", "DINTAIFUNG-PAIR", "ATOUR-STAY", "CARINC-DAY", "WANDA-POPCORN", "HAIDILAO-CASH-100", "G-UMBRELLA"],
    ),
    (
        CollectionDraft(
            code="home-comforts",
            title_zh="宅家好物",
            title_en="Comforts of home",
            intro_zh="实物三个工作日内发货。",
            intro_en="Goods leave us within three working days.",
        ),
        ["G-TEACUP", "G-LONGJING", "G-TOWELS", "G-POUROVER", "G-FLASK", "G-RICE", "G-LAMP"],
    ),
)
_BANNERS = (
    BannerDraft(
        title_zh="周末好去处", title_en="Out at the weekend", text_zh="电影、点心、住一晚", text_en="A film, dim sum, a night away",
        href="/collections/weekend",
    ),
    BannerDraft(
        title_zh="宅家好物", title_en="Comforts of home", text_zh="实物三个工作日内发货", text_en="Goods within three working days",
        href="/collections/home-comforts",
    ),
)  # fmt: skip
_SECTIONS = (
    SectionDraft("collection", "weekend", 4),
    SectionDraft("scene", "dining", 4),
    SectionDraft("collection", "home-comforts", 4),
    SectionDraft("scene", "travel", 4),
)


async def plan_prices(connection: AsyncConnection[Any], now: datetime, zone: ZoneInfo) -> None:
    """A price that will hold in nine days, for the season's end."""
    begins = start_of_day(local_date(now, zone) + timedelta(days=9), zone)
    price = PriceDraft(points=_SEASON_PRICE, begins_at=begins, reason="Season sale")
    await plan_price(connection, _SEASON_ITEM, price, actor=ACTOR, now=now, zone=zone)


async def arrange_storefront(connection: AsyncConnection[Any], now: datetime) -> None:
    """Arrange it, in the caller's transaction."""
    for draft, skus in _COLLECTIONS:
        await save_collection(connection, draft, skus, now=now)
    for banner in _BANNERS:
        await add_banner(connection, banner, now=now)
    await save_sections(connection, list(_SECTIONS))
