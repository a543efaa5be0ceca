"""What stands on a printed voucher, in one language and ready for the template `pdf/voucher.html` and the stamp."""

import unicodedata
from base64 import b64encode
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.sheets import Marks
from liyu.vouchers.tokens import Tokens

ENGLISH = "en"

_LONG_NAME = 26
_MOST_STORES = 3
_LINE = 34
_ROOMY_LINES, _DENSE_LINES = 9, 14


class PrintedStore(Struct):
    """A store as it stands on paper."""

    name: str
    address: str
    hours: str


class VoucherDocument(Struct, kw_only=True):
    """What the vouchers of one item have in common on paper. `cover` is a data: address."""

    name: str
    summary: str
    partner: str
    rules: list[str]
    stores: list[PrintedStore]
    more_stores: int
    uses_allowed: int
    support_phone: str
    cover: str
    density: str
    """`roomy`, `dense`, or `overleaf` when rules and stores need a second page."""


def voucher_document(
    facts: VoucherFacts, stores: Sequence[StoreFacts], locale: str, *, cover: str, support_phone: str = ""
) -> VoucherDocument:
    """Put a voucher's item into words of one language; English falls back to Chinese."""
    name = _pick(locale, facts.item_zh, facts.item_en)
    rules = (facts.rules_en if locale == ENGLISH and facts.rules_en else facts.rules_zh) or []
    printed = [_print_store(store, locale) for store in stores]
    density = choose_density(name, rules, printed)
    shown = printed if density == "overleaf" else printed[:_MOST_STORES]
    return VoucherDocument(
        name=name,
        summary=_pick(locale, facts.summary_zh, facts.summary_en),
        partner=_pick(locale, facts.partner_zh or "", facts.partner_en or ""),
        rules=rules,
        stores=shown,
        more_stores=len(printed) - len(shown),
        uses_allowed=facts.uses_allowed,
        support_phone=facts.partner_phone or support_phone,
        cover=cover,
        density=density,
    )


def voucher_marks(facts: VoucherFacts, last_day: str, *, tokens: Tokens, zone: ZoneInfo) -> Marks:
    """What stands on this voucher only; `last_day` in words. The same facts give the same marks."""
    return Marks(
        texts={
            "code": tokens.codes.code_of(facts.serial),
            "last_day": last_day,
            "number": facts.number,
        },
        qr=tokens.static_token(facts.serial, facts.last_day(zone), facts.item_id),
        made_at=facts.issued_at.strftime("D:%Y%m%d%H%M%SZ"),
    )


def choose_density(name: str, rules: Sequence[str], stores: Sequence[PrintedStore]) -> str:
    """How a voucher is set so that nothing of it is cut off: by the lines that its small print needs."""
    rule_lines = sum(_lines_of(rule) for rule in rules)
    store_lines = sum(
        _lines_of(store.name) + _lines_of(f"{store.address} · {store.hours}") for store in stores[:_MOST_STORES]
    )
    lines = 1 + max(rule_lines, store_lines + (len(stores) > _MOST_STORES))
    if lines > _DENSE_LINES or width_of(name) > 3 * _LONG_NAME:
        return "overleaf"
    return "roomy" if lines <= _ROOMY_LINES and width_of(name) <= _LONG_NAME else "dense"


def width_of(text: str) -> int:
    """The width of a text in Latin letters; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def as_data_address(media_type: str, content: bytes) -> str:
    """A picture as an address that needs no fetching."""
    return f"data:{media_type};base64,{b64encode(content).decode()}"


def _lines_of(text: str) -> int:
    return -(-max(width_of(text), 1) // _LINE)


def _print_store(store: StoreFacts, locale: str) -> PrintedStore:
    return PrintedStore(
        _pick(locale, store.name_zh, store.name_en),
        _pick(locale, store.address_zh, store.address_en),
        store.opening_hours,
    )


def _pick(locale: str, chinese: str, english: str) -> str:
    return (english if locale == ENGLISH else chinese) or chinese
