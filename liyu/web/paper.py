"""Vouchers as the HTML that becomes PDF: the same for one voucher in the wallet and for a batch on paper."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from jinja2 import Environment

from liyu.vouchers.document import voucher_document
from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.tokens import Tokens
from liyu.web.covers import choose_icon, draw_cover
from liyu.web.i18n import LANGUAGE_TAGS

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
