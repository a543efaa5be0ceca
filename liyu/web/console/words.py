"""The words of the console for states, kinds, movements and acts. Marked here, translated when they are shown."""

from liyu.catalog.models import ITEM_KINDS, SCENES
from liyu.catalog.names import KIND_NAMES, SCENE_NAMES
from liyu.catalog.names import STATE_NAMES as ITEM_STATE_NAMES
from liyu.core.i18n import N_, Message
from liyu.members.points.expiry import INACTIVE
from liyu.members.points.history import Movement
from liyu.members.points.pricing import EVENT_TYPES
from liyu.members.points.queries import RuleName
from liyu.partners.settlement.states import STATE_NAMES as STATEMENT_STATE_NAMES
from liyu.partners.settlement.terms import MODE_NAMES
from liyu.partners.states import STATE_NAMES as PARTNER_STATE_NAMES
from liyu.web.earning_words import EXPLAINED, event_type, explain_lines
from liyu.web.i18n import gettext, translate
from liyu.web.pages import ROLE_NAMES
from liyu.web.state_words import ORDER_STATES, VOUCHER_STATES

MACHINES = {
    "program": N_("Comes with the system"),
    "system": N_("System"),
    "import": N_("File import"),
    "demo": N_("Demo program"),
    "cli": N_("Command line"),
}

MEMBER_STATES: dict[str, tuple[str, str]] = {
    "pre_registered": (N_("Pre-registered"), "blue"),
    "active": (N_("Active member"), ""),
    "frozen": (N_("Frozen"), "red"),
    "closed": (N_("Membership ended"), "grey"),
    "merged": (N_("Merged into another"), "grey"),
}

REQUEST_STATES = {
    "requested": N_("Waiting for approval"),
    "approved": N_("Approved"),
    "refused": N_("Refused"),
}
REQUEST_TONES = {"requested": "gold", "refused": "grey"}

MEMBER_FIELDS = {
    "phone": N_("Phone"),
    "email": N_("E-mail"),
    "name": N_("Full name"),
    "birthday": N_("Date of birth"),
    "city": N_("City"),
    "locale": N_("Language"),
}

ITEM_TONES = {"live": "", "paused": "gold", "ended": "grey", "returned": "red"}
PARTNER_TONES = {"active": "", "suspended": "red", "terminated": "grey"}
STATEMENT_TONES = {
    "draft": "grey",
    "sent": "gold",
    "confirmed": "blue",
    "approved": "",
    "paid": "grey",
    "closed": "grey",
}

ITEM_STEPS = {
    "live": N_("Put on sale"),
    "paused": N_("Take off sale"),
    "ended": N_("End for good"),
    "submitted": N_("Submit for review"),
    "approved": N_("Approve"),
    "returned": N_("Send back"),
}
"""What the button says that leads an item to a state."""

PARTNER_STEPS = {
    "applied": N_("Back to the application"),
    "reviewing": N_("Begin the review"),
    "approved": N_("Admit"),
    "active": N_("Take up the partnership"),
    "suspended": N_("Suspend"),
    "terminated": N_("Terminate"),
}

REASONS = {
    "account_closed": N_("The member left and was erased"),
    "published": N_("Published"),
    "imported": N_("Imported from a file"),
    "follows": N_("Follows its item"),
    "submitted": N_("Sent for a review by the partner"),
    "live": N_("Approved and on sale."),
    "joined": N_("Joined the program"),
    "import_undone": N_("An import was undone"),
    "by_hand": N_("By hand"),
    "by_rule": N_("By its rule"),
    "merged": N_("Merged with another membership"),
    "redeemed": N_("Redeemed"),
    "code_recalled": N_("A recalled code could not be replaced"),
    "proposed": N_("Proposed"),
    "quarterly_review": N_("Quarterly review"),
    "first_look": N_("A first look"),
    "partner_found": N_("A partner was found"),
    "changed_mind": N_("Cancelled by the member"),
    "used_up": N_("Every use is taken"),
    "paid": N_("Paid by the member"),
    "not_paid_in_time": N_("Not paid in time"),
    "cancelled": N_("Cancelled"),
    "threshold_reached": N_("Threshold reached"),
    "retained": N_("Kept for another period"),
    "downgraded": N_("Not enough growth in the period"),
    "prepared": N_("Prepared"),
    "recalculated": N_("Recalculated"),
    "approved": N_("Approved"),
    "sent to the partner": N_("Sent to the partner"),
    "confirmed by the partner": N_("Confirmed by the partner"),
    "carried over": N_("Closed; the balance is carried over"),
    "applied": N_("Applied"),
    "activated": N_("Membership activated"),
    "first_sign_in": N_("First sign-in"),
}
"""Reasons that programs write, in words; what a person wrote stands as it is."""

LEDGER_EVENTS = {
    "close": N_("Account closed"),
    "earn": N_("Points earned"),
    "redeem": N_("Redeemed"),
    "cancel": N_("Redemption cancelled"),
    "refund": N_("Part of a redemption refunded"),
    "payment": N_("Cash received from members"),
    "payment_refund": N_("Cash refunded to a member"),
    "lapse": N_("Points lapsed"),
    "mature": N_("Points became usable"),
    "clawback": N_("Taken back after a return"),
    "debt": N_("Owed after a return"),
    "repay": N_("Debt paid off"),
    "adjust": N_("Manual adjustment"),
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
    "lots_differ_from_balance": N_("Lots differ from the balance"),
    "lot_differs_from_its_entries": N_("A lot differs from its entries"),
    "transfer_not_bound_to_lots": N_("A transfer is not bound to lots"),
    "entry_in_a_foreign_lot": N_("An entry stands in another account's lot"),
    "voucher_uses_differ_from_verifications": N_("Uses of a voucher differ from its verifications"),
    "stock_differs_from_redemptions": N_("Stock differs from the redemptions"),
    "statement_differs_from_its_lines": N_("A statement differs from its lines"),
    "statements_differ_from_entries": N_("Statements differ from their entries"),
    "hold_differs_from_redemption": N_("A hold and its order tell different stories"),
    "refunds_differ_from_payment": N_("Refunds differ from what a payment has given back"),
    "money_kept_for_an_order_given_back": N_("Cash was kept for an order that was given back"),
    "payment_provider_differs_from_payments": N_("The payment service’s account differs from its payments"),
}

ACTIONS = {
    "profile.edit": N_("Profile changed by its member"),
    "profile.rules": N_("Rules of the account changed"),
    "profile.field_add": N_("Profile question added"),
    "profile.field_edit": N_("Profile question changed"),
    "consent.publish": N_("Consent wording published"),
    "address.save": N_("Address saved by its member"),
    "address.delete": N_("Address deleted by its member"),
    "phone.change": N_("Number changed by its member"),
    "data.export": N_("Copy of the data taken"),
    "account.close_asked": N_("Closing asked for by the member"),
    "account.close_taken_back": N_("Closing taken back by the member"),
    "member.birthday": N_("Birthday corrected"),
    "member.phone": N_("Number changed for a member"),
    "member.sign_out": N_("Member signed out everywhere"),
    "member.close": N_("Closing noted for a member"),
    "member.close_taken_back": N_("Closing taken back for a member"),
    "member.erase": N_("Member erased"),
    "item.create": N_("Item created"),
    "item.edit": N_("Item changed"),
    "banner.create": N_("Banner added"),
    "banner.order": N_("Banners arranged"),
    "banner.remove": N_("Banner removed"),
    "home.sections": N_("Rows of the home page set"),
    "collection.save": N_("Collection saved"),
    "offer.create": N_("Offer: draft made by the partner"),
    "offer.change": N_("Offer: changed by the partner"),
    "offer.submit": N_("Offer: sent for a review"),
    "offer.withdraw": N_("Offer: change withdrawn"),
    "item.proposal": N_("Item: a partner’s change decided"),
    "items.rule": N_("Items: rule for partners’ changes"),
    "items.bulk": N_("Items: one change for many"),
    "item.picture": N_("Item: picture added"),
    "item.pictures": N_("Item: pictures arranged"),
    "item.restore": N_("Item: earlier version said again"),
    "items.upload": N_("Items: file uploaded"),
    "items.discard": N_("Items: file discarded"),
    "item.state": N_("Item: state changed"),
    "item.stock": N_("Item: stock changed"),
    "items.import": N_("Items imported"),
    "codes.import": N_("Codes imported"),
    "codes.reveal": N_("Codes revealed"),
    "redemption.cancel": N_("Redemption cancelled"),
    "redemption.move": N_("Redemption moved on"),
    "redemption.refund": N_("Part of the cash refunded"),
    "rule.create": N_("Points rule made"),
    "rule.edit": N_("Points rule: new version"),
    "rule.end": N_("Points rule ended"),
    "rule.withdraw": N_("Planned version of a rule withdrawn"),
    "rules.returns": N_("What returns take back: changed"),
    "member.adjust": N_("Points adjusted"),
    "member.tag": N_("Member: tag given or taken"),
    "members.upload": N_("File of members uploaded"),
    "members.import": N_("Members imported"),
    "members.discard": N_("File of members discarded"),
    "members.undo": N_("Import of members undone"),
    "members.faults": N_("Faulty rows downloaded"),
    "members.export": N_("Members taken out as a file"),
    "tag.create": N_("Tag made"),
    "tag.edit": N_("Tag changed"),
    "tag.retire": N_("Tag retired or taken up again"),
    "segment.save": N_("Segment saved"),
    "segment.delete": N_("Segment deleted"),
    "points.extend": N_("Points extended"),
    "points.reinstate": N_("Lapsed points put back"),
    "points.policy": N_("Expiry policy changed"),
    "points.count": N_("Points counted"),
    "member.adjust_request": N_("Adjustment asked for"),
    "member.adjust_approve": N_("Adjustment approved"),
    "member.adjust_refuse": N_("Adjustment refused"),
    "member.merge": N_("Memberships merged"),
    "member.note": N_("Note written"),
    "member.state": N_("Member: state changed"),
    "member.tier": N_("Tier set by hand"),
    "member.card_loss": N_("Card blocked"),
    "member.card_issue": N_("Card issued"),
    "tiers.edit": N_("Tiers changed"),
    "partner.state": N_("Partner: state changed"),
    "statements.prepare": N_("Settlement run"),
    "statement.recalculate": N_("Statement recalculated"),
    "statement.send": N_("Statement sent"),
    "statement.take_back": N_("Statement taken back"),
    "statement.approve": N_("Statement approved"),
    "statement.confirm": N_("Statement confirmed by the partner"),
    "statement.download": N_("Statement file taken"),
    "statement.carry_over": N_("Statement closed, balance carried over"),
    "payout.prepare": N_("Payout prepared"),
    "payout.pay": N_("Payout paid"),
    "books.prove": N_("Books proven"),
    "vouchers.undo": N_("Verification taken back"),
    "session.open": N_("Signed in"),
    "session.end": N_("Signed out"),
    "totp.enable": N_("Two-step sign-in turned on"),
    "totp.disable": N_("Two-step sign-in turned off"),
}

_BASIS_POINTS = 10_000


def order_state(state: str) -> str:
    """A redemption's state in words."""
    return gettext(ORDER_STATES[state][0])


def order_tone(state: str) -> str:
    """The tone of a redemption's state."""
    return ORDER_STATES[state][1]


def voucher_state(state: str) -> str:
    """A voucher's state in words."""
    return gettext(VOUCHER_STATES[state][0])


def voucher_tone(state: str) -> str:
    """The tone of a voucher's state."""
    return VOUCHER_STATES[state][1]


def member_state(state: str) -> str:
    """A member's state in words."""
    return gettext(MEMBER_STATES[state][0])


def member_tone(state: str) -> str:
    """The tone of a member's state."""
    return MEMBER_STATES[state][1]


def request_state(state: str) -> str:
    """The state of an adjustment for two people in words."""
    return gettext(REQUEST_STATES[state])


def request_tone(state: str) -> str:
    """The tone of such a state."""
    return REQUEST_TONES.get(state, "")


def member_field(name: str) -> str:
    """A field of a member's profile in words."""
    return gettext(MEMBER_FIELDS[name])


def item_state(state: str) -> str:
    """An item's state in words."""
    return gettext(ITEM_STATE_NAMES.get(state, state))


def item_tone(state: str) -> str:
    """The tone of an item's state."""
    return ITEM_TONES.get(state, "blue")


def partner_state(state: str) -> str:
    """A partner's state in words."""
    return gettext(PARTNER_STATE_NAMES.get(state, state))


def partner_tone(state: str) -> str:
    """The tone of a partner's state."""
    return PARTNER_TONES.get(state, "gold")


def statement_state(state: str) -> str:
    """A statement's state in words."""
    return gettext(STATEMENT_STATE_NAMES.get(state, state))


def statement_tone(state: str) -> str:
    """The tone of a statement's state."""
    return STATEMENT_TONES.get(state, "grey")


def kind(name: str) -> str:
    """A kind of item in words."""
    return gettext(KIND_NAMES.get(name, name))


def scene(name: str) -> str:
    """A scene in words."""
    return gettext(SCENE_NAMES.get(name, name))


def mode(name: str) -> str:
    """A cooperation mode in words."""
    return gettext(MODE_NAMES.get(name, name))


def reason(text: str) -> str:
    """Why something happened: a program's reason in words, a person's as it was written."""
    return gettext(REASONS.get(text, text)) if text else ""


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
        case "verification":
            return f"#{number}"
        case "statement":
            return number
        case _ if kind in EVENT_TYPES:
            return number.removeprefix(f"{kind}:")
        case _:
            return source


def action(name: str) -> str:
    """An audited act in words."""
    return gettext(ACTIONS.get(name, name))


def role(name: str) -> str:
    """A role in words."""
    return gettext(ROLE_NAMES.get(name, name))


def item_step(state: str) -> str:
    """What the button says that leads an item to this state."""
    return gettext(ITEM_STEPS.get(state, state))


def partner_step(state: str) -> str:
    """What the button says that leads a partner to this state."""
    return gettext(PARTNER_STEPS.get(state, state))


def kind_choices() -> list[tuple[str, str]]:
    """The kinds of items, for a select."""
    return [(name, kind(name)) for name in ITEM_KINDS]


def scene_choices() -> list[tuple[str, str]]:
    """The scenes, for a select."""
    return [(name, scene(name)) for name in SCENES]


def masked_phone(phone: str | None) -> str:
    """A phone number as lists show it: 138****8000."""
    if not phone:
        return "—"
    digits = phone.removeprefix("+86")
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) > 7 else "****"


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
        case "adjust" | "redeem" | "extend" | "reinstate" | "activate":
            notes.append(movement.reason)
        case "lapse" if movement.reason == INACTIVE:
            notes.append(gettext(N_("Nothing was earned or used for a long time")))
        case "cancel" | "refund":
            notes.append(gettext(N_("Back in the lots they came from")))
    return notes
