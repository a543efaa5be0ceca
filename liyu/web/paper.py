"""Vouchers and statements as the HTML that becomes PDF: the same whoever asks for it."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from string import digits
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment
from markupsafe import Markup
from psycopg import AsyncConnection

from liyu.catalog.pictures import pictures_for_paper
from liyu.core.i18n import N_, Message
from liyu.core.settings import Settings
from liyu.core.storage import open_storage
from liyu.members.program import load_terms
from liyu.partners.settlement.document import LineTerms, StatementDocument
from liyu.partners.settlement.queries import EntryView, PayoutView
from liyu.partners.settlement.states import name_of
from liyu.partners.settlement.terms import MODE_NAMES
from liyu.vouchers.alphabet import LETTERS
from liyu.vouchers.batches import ToSheets, items_on_press
from liyu.vouchers.document import as_data_address, voucher_document, voucher_marks
from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.sheets import Sheet
from liyu.vouchers.tasks import OpenSheets
from liyu.vouchers.tokens import Tokens
from liyu.web.assets import Assets
from liyu.web.covers import choose_icon, draw_cover
from liyu.web.formats import format_day, format_year_month
from liyu.web.i18n import LANGUAGE_TAGS, gettext, load_catalogs, text_of, translate, use_locale
from liyu.web.pages import make_environment
from liyu.web.statement_words import describe_basis, describe_terms, name_event

NO_PICTURES: Mapping[int, bytes] = {}
VouchersWithStores = Sequence[tuple[VoucherFacts, Sequence[StoreFacts]]]


def vouchers_to_sheets(
    environment: Environment,
    vouchers: VouchersWithStores,
    locale: str,
    *,
    tokens: Tokens,
    zone: ZoneInfo,
    program_name: str,
    support_phone: str,
    pictures: Mapping[int, bytes] = NO_PICTURES,
) -> list[Sheet]:
    """A sheet for each voucher in one language, with the signed code that does not renew. Those of one item share their HTML.

    `pictures` are JPEG files by item; an item without one has its drawn cover.
    """
    template, places, known = environment.get_template("pdf/voucher.html"), places_of(locale), dict[Any, str]()
    sheets = []
    for facts, stores in vouchers:
        note = _note_of(facts)
        alike = (facts.item_id, facts.partner_id, facts.uses_allowed, note)
        if alike not in known:
            document = voucher_document(
                facts,
                stores,
                locale,
                cover=_cover_of(facts, pictures),
                pictured=facts.item_id in pictures,
                support_phone=support_phone,
                note=note,
            )
            html = template.render(
                voucher=document, places=places, qr=PIXEL, lang=LANGUAGE_TAGS[locale], program_name=program_name
            )
            known[alike] = _narrow(html, locale)
        last_day = format_day(facts.last_day(zone), locale)
        sheets.append(Sheet(known[alike], places, voucher_marks(facts, last_day, tokens=tokens, zone=zone)))
    return sheets


def _note_of(facts: VoucherFacts) -> str:
    """What whoever has the paper must know to use it, beside the rules of its item."""
    if facts.member_id is not None:
        words = N_("Staff ask for the PIN in your wallet, or for your yes there.") if facts.paper_confirmed else ""
    elif facts.paper_confirmed:
        words = N_("Add it to your wallet in the mall first: the paper alone is not taken.")
    else:
        words = N_("Or add it to your wallet in the mall: the paper is void then.")
    return gettext(words) if words else ""


_NARROW = str.maketrans({"“": "&quot;", "”": "&quot;", "‘": "&#39;", "’": "&#39;", "…": "..."})


def _narrow(html: str, locale: str) -> str:
    """English without the signs that a Chinese font draws as wide as a character."""
    return html.translate(_NARROW) if locale == "en" else html


def _cover_of(facts: VoucherFacts, pictures: Mapping[int, bytes]) -> str:
    if picture := pictures.get(facts.item_id):
        return as_data_address("image/jpeg", picture)
    drawn = draw_cover(facts.scene, facts.item_id, choose_icon(facts.scene, facts.kind))
    return as_data_address("image/svg+xml", drawn.encode())


def open_sheets(settings: Settings) -> OpenSheets:
    """What sets sheets in a process without pages: the worker's and the command's."""
    load_catalogs()
    environment = make_environment(Assets.read().address)
    tokens = Tokens(settings.secret_key, settings.voucher_keys)

    async def open_for(connection: AsyncConnection[Any]) -> ToSheets:
        terms, storage = await load_terms(connection), open_storage(settings)
        pictures = await pictures_for_paper(connection, storage, await items_on_press(connection))

        def to_sheets(vouchers: VouchersWithStores, locale: str) -> list[Sheet]:
            use_locale(locale)
            return vouchers_to_sheets(
                environment,
                vouchers,
                locale,
                tokens=tokens,
                zone=settings.timezone,
                program_name=terms.name_en if locale == "en" else terms.name_zh,
                support_phone=terms.support_phone,
                pictures=pictures,
            )

        return to_sheets

    return open_for


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
"""Keeps the place of a QR code."""


@lru_cache
def places_of(locale: str) -> dict[str, str]:
    """The placeholders of a sheet: each has every character that may stand there."""
    days = (date(2000, month, day) for month in range(1, 13) for day in (1, 28))
    signs = set(digits).union(*(format_day(day, locale) for day in days))
    last_day = "".join(sorted(signs, reverse=True))
    # The last sign of each stands there twice: the end of a line is spaced otherwise.
    return {"code": f"{LETTERS}-0", "last_day": f"{last_day}0", "number": "R0123456789 / ,0"}


_DIGEST_GROUP = 4


def statement_to_html(environment: Environment, document: StatementDocument, locale: str, *, program_name: str) -> str:
    """A partner's statement in one language. The same statement in the same state gives the same document."""
    head, payout = document.page.head, document.page.payout
    label, payment = _describe_payment(head.state, payout, locale)
    html = environment.get_template("pdf/statement.html").render(
        document=document,
        lang=LANGUAGE_TAGS[locale],
        program_name=program_name,
        period=say_period(head.period, locale),
        digest=group_digest(head.digest),
        made_at=head.prepared_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        facts=_facts(document, locale),
        payment_label=label,
        payment=payment,
        lines=[
            {"line": line, "mode": gettext(MODE_NAMES[line.mode]), "basis": translate(describe_basis(line))}
            for line in document.page.lines
        ],
        terms=[
            {
                "line": line,
                "text": translate(describe_terms(line, head.currency)),
                "validity": _describe_validity(line, locale),
            }
            for line in document.terms
        ],
        rows=[_entry_row(entry) for entry in document.entries],
        net_quantity=sum(line.quantity for line in document.page.lines),
        page_number=Markup('<i class="page"></i>'),
        page_count=Markup('<i class="pages"></i>'),
    )
    return _narrow(html, locale)


def say_period(period: str, locale: str) -> str:
    """A month as people say it: 2026年10月, October 2026."""
    return format_year_month(date.fromisoformat(f"{period}-01"), locale)


def group_digest(digest: str) -> str:
    """A digest in groups that can be read out: 9f2c 41d0 77ae …"""
    return " ".join(digest[start : start + _DIGEST_GROUP] for start in range(0, len(digest), _DIGEST_GROUP))


def _facts(document: StatementDocument, locale: str) -> list[tuple[str, str]]:
    """What stands under the title, in pairs: whose statement it is, and how far it has come."""
    head, payout = document.page.head, document.page.payout
    reached = {step.to_state: step.at for step in document.page.transitions}
    facts = [
        (N_("Partner"), f"{text_of(head, 'partner')} ({head.partner_code})"),
        (N_("Number"), head.number),
        (N_("Status"), translate(name_of(head.state))),
        (N_("Prepared on"), format_day(head.prepared_at, locale)),
        *(
            (label, format_day(reached[state], locale))
            for state, label in (("confirmed", N_("Confirmed on")), ("approved", N_("Approved on")))
            if state in reached
        ),
    ]
    if payout and payout.bank_reference:
        facts.append((N_("Bank reference"), payout.bank_reference))
    return [(gettext(label), value) for label, value in facts]


def _describe_payment(state: str, payout: PayoutView | None, locale: str) -> tuple[str, str]:
    """When the net is paid, as far as it is known."""
    if payout and payout.paid_at:
        return gettext(N_("Paid on")), format_day(payout.paid_at, locale)
    if payout:
        return gettext(N_("Payment due")), format_day(payout.due_on, locale)
    return gettext(N_("Payment due")), gettext(N_("carried over")) if state == "closed" else "—"


def _describe_validity(terms: LineTerms, locale: str) -> str:
    begin = format_day(terms.valid_from, locale)
    if terms.valid_to is None:
        return translate(Message(N_("valid from %(begin)s"), {"begin": begin}))
    return translate(
        Message(N_("valid from %(begin)s to %(end)s"), {"begin": begin, "end": format_day(terms.valid_to, locale)})
    )


def _entry_row(entry: EntryView) -> dict[str, Any]:
    kind, reference = name_event(entry.kind, entry.source)
    return {
        "entry": entry,
        "kind": kind,
        "reference": reference,
        "quantity": f"{entry.quantity}".replace("-", "\N{MINUS SIGN}"),
    }
