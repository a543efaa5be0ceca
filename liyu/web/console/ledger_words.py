"""The words of the ledger: movements, accounts, checks of the proof, and why a member's points moved."""

from liyu.core.i18n import N_, Message
from liyu.members.points.expiry import INACTIVE
from liyu.members.points.history import Movement
from liyu.members.points.pricing import EVENT_TYPES
from liyu.members.points.queries import RuleName
from liyu.web.earning_words import EXPLAINED, event_type, explain_lines
from liyu.web.i18n import gettext, translate

LEDGER_EVENTS = {
    "close": N_("Account closed"),
    "earn": N_("Points earned"),
    "redeem": N_("Redeemed"),
    "cancel": N_("Redemption cancelled"),
    "refund": N_("Part of a redemption refunded"),
    "payment": N_("Cash received from members"),
    "payment_refund": N_("Cash refunded to a member"),
    "membership": N_("Paid membership bought"),
    "membership_return": N_("Paid membership given back"),
    "lapse": N_("Points lapsed"),
    "mature": N_("Points became usable"),
    "clawback": N_("Taken back after a return"),
    "debt": N_("Owed after a return"),
    "repay": N_("Debt paid off"),
    "adjust": N_("Manual adjustment"),
    "gift_code": N_("Gift code redeemed"),
    "opening": N_("Opening balance"),
    "opening_reversed": N_("Opening balance taken back"),
    "extend": N_("Last day put off"),
    "reinstate": N_("Lapsed points put back"),
    "activate": N_("Validity began"),
    "merge": N_("Memberships merged"),
    "partner_use": N_("Right used at a partner"),
    "partner_undo": N_("Use taken back"),
    "partner_payout": N_("Paid to a partner"),
}

ACCOUNTS = {
    "points_issued": N_("Issued"),
    "points_redeemed": N_("Spent on redemptions"),
    "points_lapsed": N_("Lapsed"),
    "points_clawed_back": N_("Taken back after returns"),
    "points_adjusted": N_("Adjusted by hand"),
    "points_compensation": N_("Compensation"),
    "points_opening": N_("Brought along at the start"),
    "points_extended": N_("On the way to a later day"),
    "points_gifts": N_("Given by gift codes"),
    "member_points": N_("Held by members, usable"),
    "member_pending": N_("Held by members, pending"),
    "member_debt": N_("Owed by members"),
    "rights_cost": N_("Cost of rights"),
    "partner_payable": N_("Owed to partners"),
    "bank": N_("Bank"),
    "payments_received": N_("Cash paid by members"),
    "payment_provider": N_("Held by the payment service"),
}

CHECKS = {
    "balance_differs_from_transfers": N_("Balance differs from its transfers"),
    "unit_does_not_sum_to_zero": N_("A unit does not sum to zero"),
    "account_total_differs_from_transfers": N_("What was counted for an account differs from its transfers"),
    "points_rollup_differs_from_transfers": N_("What was counted for a day differs from its transfers"),
    "lots_differ_from_balance": N_("Lots differ from the balance"),
    "lot_differs_from_its_entries": N_("A lot differs from its entries"),
    "transfer_not_bound_to_lots": N_("A transfer is not bound to lots"),
    "entry_in_a_foreign_lot": N_("An entry stands in another account's lot"),
    "growth_differs_from_its_entries": N_("Growth value differs from its entries"),
    "period_growth_differs_from_its_entries": N_("Growth value of a period differs from its entries"),
    "membership_differs_from_its_payment": N_("A paid membership differs from its payment"),
    "paid_tier_differs_from_its_memberships": N_("A paid tier differs from what was paid for"),
    "memberships_overlap": N_("Paid memberships overlap"),
    "voucher_uses_differ_from_verifications": N_("Uses of a voucher differ from its verifications"),
    "offline_loss_differs_from_its_decisions": N_("What was paid for a conflict differs from its decisions"),
    "voucher_offered_without_a_gift": N_("A voucher is on offer without an open gift, or the other way round"),
    "voucher_generation_differs_from_its_hands": N_("A voucher counts other hands than it went through"),
    "voucher_run_differs_from_its_numbers": N_("A print run lacks numbers"),
    "stock_differs_from_redemptions": N_("Stock differs from the redemptions"),
    "points_given_back_differ_from_order": N_("Points given back differ from the order"),
    "parcels_exceed_order": N_("More was sent than ordered"),
    "top_up_differs_from_order": N_("A top-up differs from its order"),
    "prizes_differ_from_places": N_("Prizes given differ from the places that won"),
    "prizes_promised_twice": N_("A prize is promised to more than there are"),
    "kept_codes_differ_from_prizes": N_("Codes set aside differ from the prizes not given yet"),
    "draw_list_differs": N_("The frozen list of a draw differs from its entries"),
    "partner_account_differs_from_entries": N_("A partner’s account differs from its entries"),
    "statement_differs_from_its_lines": N_("A statement differs from its lines"),
    "statements_differ_from_entries": N_("Statements differ from their entries"),
    "hold_differs_from_redemption": N_("A hold and its order tell different stories"),
    "refunds_differ_from_payment": N_("Refunds differ from what a payment has given back"),
    "money_kept_for_an_order_given_back": N_("Cash was kept for an order that was given back"),
    "payment_provider_differs_from_payments": N_("The payment service’s account differs from its payments"),
}


def ledger_event(name: str) -> str:
    """A ledger event in words."""
    return gettext(LEDGER_EVENTS.get(name, name))


def account(name: str) -> str:
    """A kind of ledger account in words."""
    return gettext(ACCOUNTS.get(name, name))


def check(name: str) -> str:
    """A check of the proof in words."""
    return gettext(CHECKS.get(name, name))


def reference(source: str) -> str:
    """What a movement refers to: the number alone where the event says what it is of."""
    kind, _, number = source.partition(":")
    match kind:
        case "lot":
            return translate(Message(N_("Lot #%(number)s"), {"number": number}))
        case "verification" | "opening" | "import":
            return f"#{number}"
        case "gift_code":
            return f"#{number.rpartition(':')[2]}"
        case "offline":
            return translate(Message(N_("Offline conflict #%(number)s"), {"number": number.partition(":")[0]}))
        case "statement":
            return number
        case "check_in" | "adjust" | "member":
            # Made of what stands beside it, or a key that says nothing to people.
            return ""
        case _ if kind in EVENT_TYPES:
            return number.removeprefix(f"{kind}:")
        case _:
            return source


def title_of(movement: Movement) -> str:
    """What a movement of points was, in a few words."""
    if movement.event_type:
        return event_type(movement.event_type)
    return ledger_event(movement.event)


def notes_on(movement: Movement, rules: dict[str, RuleName]) -> list[str]:
    """Why: the rule lines of an event, or what became of the points."""
    notes = explain_lines(movement.lines, rules) if movement.event in EXPLAINED else []
    match movement.event:
        case "earn" if movement.pending:
            notes.append(gettext(N_("Pending while a return is possible")))
        case "clawback":
            notes.append(gettext(N_("Taken back because of the return")))
        case "debt":
            message = Message(
                N_("More was returned than there was: %(points)s points are owed"), {"points": movement.amount}
            )
            notes.append(translate(message))
        case "repay":
            notes.append(
                translate(Message(N_("%(points)s points paid off what was owed"), {"points": movement.amount}))
            )
        case "adjust" | "redeem" | "gift_code" | "extend" | "reinstate" | "activate":
            notes.append(movement.reason)
        case "lapse" if movement.reason == INACTIVE:
            notes.append(gettext(N_("Nothing was earned or used for a long time")))
        case "cancel" | "refund" | "membership_return":
            notes.append(gettext(N_("Back in the lots they came from")))
    return notes
