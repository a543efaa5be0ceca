"""What statements say about agreements and entries, in the words that portal, console and paper share."""

from liyu.core.i18n import N_, Message
from liyu.partners.settlement.document import LineTerms
from liyu.partners.settlement.export import KINDS
from liyu.partners.settlement.queries import LineView
from liyu.web.formats import format_money
from liyu.web.i18n import gettext

_CONFLICTS = {"use": N_("Offline conflict"), "undo": N_("Offline conflict, paid back")}


def describe_basis(line: LineView) -> Message:
    """What the amount of a statement's line was reckoned from."""
    values = {"count": line.quantity, "free": line.free_quantity, "beyond": line.quantity - line.free_quantity}
    match line.mode:
        case "free_quota":
            return Message(N_("%(free)s free, %(beyond)s beyond the quota"), values)
        case "bulk_purchase":
            return Message(N_("%(count)s used of the prepaid units"), values)
        case "member_discount":
            return Message(N_("%(count)s verified, commission for each"), values)
        case _:
            return Message(N_("%(count)s verified"), values)


def name_event(kind: str, source: str) -> tuple[str, str]:
    """What an entry is of, in words, and the number that tells it from others."""
    origin, _, number = source.partition(":")
    if origin == "offline":
        return gettext(_CONFLICTS[kind]), f"#{number.partition(':')[0]}"
    return gettext(KINDS[kind]), f"#{number}" if origin == "verification" else source


def describe_terms(terms: LineTerms, currency: str) -> Message:
    """What one use is worth under an agreement line (docs/algorithms/settlement.md)."""
    price = format_money(terms.unit_price_minor, currency)
    match terms.mode:
        case "free_quota":
            text = N_(
                "The first %(free)s uses of a calendar month are free; each one beyond is %(price)s to the partner."
            )
            return Message(text, {"free": terms.free_quota, "price": price})
        case "bulk_purchase":
            text = N_("A use takes one of the units that were paid for in advance, at %(price)s each. No money moves.")
            return Message(text, {"price": price})
        case "member_discount":
            commission = format_money(terms.commission_minor, currency)
            return Message(N_("Each use: %(commission)s commission from the partner."), {"commission": commission})
        case _:
            return Message(N_("Each use: %(price)s to the partner."), {"price": price})
