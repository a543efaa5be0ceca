"""Vouchers and statements as the HTML that becomes PDF: the same whoever asks for it."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment
from markupsafe import Markup

from liyu.core.i18n import N_, Message
from liyu.partners.settlement.document import LineTerms, StatementDocument
from liyu.partners.settlement.export import KINDS
from liyu.partners.settlement.queries import EntryView, PayoutView
from liyu.partners.settlement.states import name_of
from liyu.partners.settlement.terms import MODE_NAMES
from liyu.vouchers.document import voucher_document
from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.tokens import Tokens
from liyu.web.covers import choose_icon, draw_cover
from liyu.web.formats import format_day, format_year_month
from liyu.web.i18n import LANGUAGE_TAGS, gettext, text_of, translate
from liyu.web.statement_words import describe_basis, describe_terms

VouchersWithStores = Sequence[tuple[VoucherFacts, Sequence[StoreFacts]]]


def vouchers_to_html(
    environment: Environment,
    vouchers: VouchersWithStores,
    locale: str,
    *,
    tokens: Tokens,
    zone: ZoneInfo,
    program_name: str,
    support_phone: str,
) -> str:
    """One document with a page for each voucher, in one language, with the signed code that does not renew."""
    documents = [
        voucher_document(
            facts,
            stores,
            locale,
            tokens=tokens,
            zone=zone,
            cover_svg=draw_cover(facts.scene, facts.item_id, choose_icon(facts.scene, facts.kind)),
            support_phone=support_phone,
        )
        for facts, stores in vouchers
    ]
    template = environment.get_template("pdf/voucher.html")
    return template.render(documents=documents, lang=LANGUAGE_TAGS[locale], program_name=program_name)


_DIGEST_GROUP = 4
_VERIFICATION = "verification:"


def statement_to_html(environment: Environment, document: StatementDocument, locale: str, *, program_name: str) -> str:
    """A partner's statement in one language. The same statement in the same state gives the same document."""
    head, payout = document.page.head, document.page.payout
    label, payment = _describe_payment(head.state, payout, locale)
    return environment.get_template("pdf/statement.html").render(
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
    reference = entry.source.removeprefix(_VERIFICATION)
    return {
        "entry": entry,
        "kind": gettext(KINDS[entry.kind]),
        "reference": f"#{reference}" if reference != entry.source else reference,
        "quantity": f"{entry.quantity}".replace("-", "\N{MINUS SIGN}"),
    }
