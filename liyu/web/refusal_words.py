"""Why vouchers are refused, at arm's length, and the figures of it for those who watch tills."""

from datetime import date, timedelta

from msgspec import Struct

from liyu.core.i18n import N_
from liyu.vouchers.refusals import DAYS, DayRefusals, Refusals, StoreRefusals
from liyu.web.charts import DayChart, draw_days
from liyu.web.i18n import gettext, text_of

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

MEANINGS: dict[str, str] = {
    "unknown_voucher": N_("Mistyped, or somebody tries codes. Many at one store: look who stands there."),
    "unknown_store": N_("The till names a store that is closed or not known."),
    "wrong_partner": N_("A voucher of another partner was shown."),
    "wrong_store": N_("The voucher is for other stores of the same partner."),
    "already_verified": N_("All its uses are spent. Often a copy or a photo of a voucher."),
    "expired": N_("Shown after its last day. An operator can move that day."),
    "cancelled": N_("Its order was cancelled or refunded."),
    "not_yet_valid": N_("The item is used from a later day."),
    "frozen": N_("An operator holds the voucher or its member back."),
    "gift_pending": N_("Given away and not accepted yet: neither side can use it."),
    "confirmation_needed": N_("Paper and typed codes of this item wait for a yes in the wallet, or for its PIN."),
    "wrong_pin": N_("What was told is not the PIN in the holder’s wallet."),
    "pin_locked": N_("After five wrong PINs in an hour only a yes in the wallet counts."),
    "claim_needed": N_("A printed voucher that its holder must first put into the wallet."),
    "not_activated": N_("A printed voucher whose numbers are not activated yet."),
    "daily_limit": N_("The limit a day of the voucher, the member or the store is reached."),
    "stale": N_("A screenshot or an old code: the wallet shows a fresh one."),
}
"""What each means, and what to make of it."""


class Bar(Struct, frozen=True):
    """One line of a list of bars: its label, what it means, how many and which part of all (0 to 100)."""

    label: str
    meaning: str
    count: int
    share: int


class RefusalFigures(Struct, frozen=True):
    """What the screen of refusals shows."""

    total: int
    guesses: int
    today: int
    yesterday: int
    since: date
    chart: DayChart
    days: list[DayRefusals]
    """Every day, the latest first, also those without a refusal."""
    reasons: list[Bar]
    stores: list[Bar]


def describe_refusals(found: Refusals, today: date) -> RefusalFigures:
    """The figures of the last days up to today, in the reader's language."""
    counted = {one.day: one for one in found.days}
    days = [today - timedelta(days=distance) for distance in range(DAYS)]
    rows = [counted.get(day) or DayRefusals(day, 0, 0) for day in days]
    return RefusalFigures(
        total=found.total,
        guesses=found.guesses,
        today=rows[0].count,
        yesterday=rows[1].count,
        since=days[-1],
        chart=draw_days([(row.day, row.count, row.guesses) for row in reversed(rows)]),
        days=rows,
        reasons=[_bar(_reason(code), _meaning(code), count, found.total) for code, count in found.reasons],
        stores=[_bar(_store(one), "", one.count, found.total) for one in found.stores],
    )


def _bar(label: str, meaning: str, count: int, total: int) -> Bar:
    return Bar(label, meaning, count, round(100 * count / total) if total else 0)


def _reason(code: str) -> str:
    return gettext(REFUSALS[code]) if code in REFUSALS else code


def _meaning(code: str) -> str:
    return gettext(MEANINGS[code]) if code in MEANINGS else ""


def _store(one: StoreRefusals) -> str:
    return text_of({"name_zh": one.zh, "name_en": one.en}, "name") if one.zh else gettext(N_("No store"))
