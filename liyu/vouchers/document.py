"""What stands on a printed voucher, in one language and ready for the template `pdf/voucher.html` and the stamp."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC
from math import ceil
from zoneinfo import ZoneInfo

from msgspec import Struct

from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.paper_room import Setting, choose_setting, width_of
from liyu.vouchers.sheets import Marks
from liyu.vouchers.tokens import Tokens

ENGLISH = "en"


class PrintedStore(Struct):
    """A store as it stands on paper."""

    name: str
    address: str
    hours: str


class VoucherDocument(Struct, kw_only=True):
    """What the vouchers of one item have in common on paper. `cover` is a data: address, of a picture or drawn."""

    name: str
    summary: str
    partner: str
    rules: list[str]
    stores: list[PrintedStore]
    more_stores: int
    uses_allowed: int
    support_phone: str
    cover: str
    pictured: bool
    setting: Setting
    """`overleaf` when rules and stores need a second page."""
    claimed_first: bool
    """Whether it must be put into a wallet before it is used."""


def voucher_document(
    facts: VoucherFacts,
    stores: Sequence[StoreFacts],
    locale: str,
    *,
    cover: str,
    pictured: bool = False,
    support_phone: str = "",
    note: str = "",
) -> VoucherDocument:
    """Put a voucher's item into words of one language; English falls back to Chinese. A `note` stands before its rules."""
    name = _pick(locale, facts.item_zh, facts.item_en)
    summary = _pick(locale, facts.summary_zh, facts.summary_en)
    rules = (facts.rules_en if locale == ENGLISH and facts.rules_en else facts.rules_zh) or []
    rules = [note, *map(_flatten, rules)] if note else [*map(_flatten, rules)]
    printed = [_print_store(store, locale) for store in stores]
    setting, shown = choose_setting(name, summary, rules, [(store.name, _reckon_address(store)) for store in printed])
    return VoucherDocument(
        name=name,
        summary=summary,
        partner=_pick(locale, facts.partner_zh or "", facts.partner_en or ""),
        rules=rules,
        stores=printed[:shown],
        more_stores=len(printed) - shown,
        uses_allowed=facts.uses_allowed,
        support_phone=_flatten(facts.partner_phone or support_phone),
        claimed_first=facts.paper_confirmed and facts.member_id is None,
        cover=cover,
        pictured=pictured,
        setting=setting,
    )


def voucher_marks(facts: VoucherFacts, last_day: str, *, tokens: Tokens, zone: ZoneInfo) -> Marks:
    """What stands on this voucher only; `last_day` in words. The same facts give the same marks."""
    return Marks(
        texts={
            "code": tokens.codes.code_of(facts.serial),
            "last_day": last_day,
            "number": f"{facts.number} / {facts.run_total:,}" if facts.run_total else facts.number,
        },
        qr=tokens.static_token(facts.serial, facts.last_day(zone), facts.item_id),
        made_at=facts.issued_at.astimezone(UTC).strftime("D:%Y%m%d%H%M%SZ"),
    )


def as_data_address(media_type: str, content: bytes) -> str:
    """A picture as an address that needs no fetching."""
    return f"data:{media_type};base64,{b64encode(content).decode()}"


def _print_store(store: StoreFacts, locale: str) -> PrintedStore:
    return PrintedStore(
        _pick(locale, store.name_zh, store.name_en),
        _pick(locale, store.address_zh, store.address_en),
        _flatten(store.opening_hours),
    )


def _reckon_address(store: PrintedStore) -> str:
    """An address with its hours, which stay together: reckoned as one word of their width."""
    return f"{store.address}  {'_' * ceil(width_of(store.hours) / width_of('_'))}"


def _pick(locale: str, chinese: str, english: str) -> str:
    return _flatten((english if locale == ENGLISH else chinese) or chinese)


def _flatten(text: str) -> str:
    """A text as one line, whatever ends of lines and kinds of spaces it came with: its room is reckoned so."""
    return " ".join(text.split())
