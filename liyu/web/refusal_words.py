"""Why vouchers are refused, at arm's length, and the figures of it for those who watch tills."""

from datetime import date
from typing import Any

from liyu.core.i18n import N_
from liyu.vouchers.refusals import Refusals, StoreRefusals
from liyu.web.formats import format_day
from liyu.web.i18n import current_locale, gettext, text_of

REFUSALS: dict[str, str] = {
    "unknown_voucher": N_("No such voucher"),
    "unknown_store": N_("Store not open"),
    "wrong_partner": N_("Not one of yours"),
    "wrong_store": N_("Wrong store"),
    "already_verified": N_("Already used"),
    "expired": N_("Past its last day"),
    "cancelled": N_("Voucher cancelled"),
    "not_yet_valid": N_("Too early"),
    "frozen": N_("Frozen"),
    "gift_pending": N_("Waiting as a gift"),
    "confirmation_needed": N_("Not confirmed by the holder"),
    "wrong_pin": N_("Wrong PIN"),
    "pin_locked": N_("Too many wrong PINs"),
    "claim_needed": N_("Not in a wallet yet"),
    "not_activated": N_("Not activated yet"),
    "daily_limit": N_("Used enough for today"),
    "stale": N_("Out-of-date QR code"),
}
"""By code; at the till the full sentence stands below it."""


def describe_refusals(found: Refusals) -> list[dict[str, Any]]:
    """Three charts: by reason, by store, by day. Each is a title with bars of a label, a count and the longest count."""
    charts: list[tuple[str, list[tuple[str, int]]]] = [
        (
            gettext(N_("By reason")),
            [(gettext(REFUSALS[code]) if code in REFUSALS else code, count) for code, count in found.reasons],
        ),
        (
            gettext(N_("By store")),
            [(_store(one), one.count) for one in found.stores],
        ),
        (gettext(N_("By day")), [(_day(day), count) for day, count in found.days]),
    ]
    return [
        {"title": title, "bars": bars, "most": max((count for _, count in bars), default=1)} for title, bars in charts
    ]


def _store(one: StoreRefusals) -> str:
    return text_of({"name_zh": one.zh, "name_en": one.en}, "name") if one.zh else gettext(N_("No store"))


def _day(day: date) -> str:
    return format_day(day, current_locale())
