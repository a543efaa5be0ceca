"""The words of the mall for kinds, scenes, states and movements. Marked here, translated when they are shown."""

from liyu.core.i18n import N_, Message
from liyu.members.points.expiry import INACTIVE
from liyu.members.points.history import Movement
from liyu.web.earning_words import EVENT_TYPES

SCENES: dict[str, tuple[str, str]] = {
    "travel": (N_("Travel"), "plane"),
    "dining": (N_("Dining"), "utensils"),
    "hotel": (N_("Hotels"), "bed"),
    "car": (N_("Cars"), "car"),
    "health": (N_("Health"), "heart-pulse"),
    "coffee": (N_("Coffee"), "coffee"),
    "shopping": (N_("Shopping"), "shopping-bag"),
    "entertainment": (N_("Leisure"), "film"),
    "home": (N_("Home life"), "house"),
    "charity": (N_("Charity"), "hand-heart"),
}
"""Label and icon of each scene, in the order of the home page."""

OTHER_SCENE = (N_("More rights"), "gift")

KINDS: dict[str, str] = {
    "partner_right": N_("Partner rights"),
    "coupon": N_("Coupons"),
    "goods": N_("Goods"),
    "pick_up": N_("Pick-up at a store"),
    "code": N_("Codes"),
    "top_up": N_("Top-ups"),
    "draw": N_("Draws"),
    "donation": N_("Donations"),
}

NEXT_STEPS: dict[str, str] = {
    "partner_right": N_("Show the voucher at the till; the code renews by itself."),
    "coupon": N_("Show the coupon when you pay."),
    "goods": N_("We pack it now. The tracking number will stand here."),
    "pick_up": N_("Show the code at the store; what is not picked up by the last day goes back, with your points."),
    "code": N_("Reveal the code below whenever you need it."),
    "top_up": N_("The credit is on its way; this page says when it has arrived."),
    "draw": N_("Good luck. The result will stand here and in your orders."),
    "donation": N_("Thank you. Your points do good from today."),
}

DONE: dict[str, str] = {
    "draw": N_("You are in the draw"),
    "donation": N_("Your points are donated"),
    "top_up": N_("It is on its way"),
}
"""What the page after redeeming says in large letters where it is not simply the member's."""
IT_IS_YOURS = N_("It is yours")

ORDER_STEPS: dict[str, str] = {
    "held": N_("Points and item held until the cash part is paid"),
    "confirmed": N_("Redeemed; the points are taken"),
    "fulfilling": N_("Handed over for delivery"),
    "completed": N_("Completed"),
    "released": N_("Closed unpaid; the points are back"),
    "cancelled": N_("Cancelled; the points are back in their lots"),
    "refunded": N_("Refunded"),
}

SHORT_REFUSALS: dict[str, str] = {
    "member_frozen": N_("Account frozen"),
    "member_not_active": N_("Activate your membership first"),
    "member_closed": N_("Membership closed"),
    "not_on_sale": N_("Not on offer now"),
    "not_yet_on_sale": N_("Opens %(opens)s"),
    "sale_ended": N_("This is over"),
    "sold_out": N_("All gone"),
    "not_enough_left": N_("Only %(left)s left"),
    "tier_too_low": N_("Needs %(needs)s"),
    "limit_reached": N_("You have all you may have"),
    "daily_limit_reached": N_("Again from tomorrow"),
    "order_limit_reached": N_("At most %(limit)s in one order"),
    "person_limit_reached": N_("You have all you may have"),
    "tag_missing": N_("For %(tags)s only"),
    "wrong_city": N_("For %(cities)s only"),
    "not_enough_points": N_("%(missing)s points short"),
    "offer_over": N_("No longer kept for you"),
    "offer_units": N_("%(units)s kept for you"),
    "payment_unavailable": N_("Its cash part cannot be paid here yet"),
}
"""A refusal in a few words, for cards; the full sentences belong to the desk."""


_MOVEMENTS: dict[str, str] = {
    "redeem": N_("Redeemed"),
    "cancel": N_("Redemption cancelled"),
    "refund": N_("Part of a redemption refunded"),
    "membership": N_("Paid membership bought"),
    "membership_return": N_("Paid membership given back"),
    "lapse": N_("Points lapsed"),
    "mature": N_("Points became usable"),
    "adjust": N_("Manual adjustment"),
    "gift_code": N_("Gift code redeemed"),
    "extend": N_("Usable for longer"),
    "activate": N_("Validity began"),
    "reinstate": N_("Lapsed points put back"),
}


def describe_movement(movement: Movement) -> str:
    """What a movement was, in a few words."""
    if movement.event in ("earn", "clawback", "debt", "repay") and movement.event_type:
        return EVENT_TYPES.get(movement.event_type, movement.event_type)
    return _MOVEMENTS.get(movement.event, N_("Movement of points"))


_NOTES: dict[str, str] = {
    "clawback": N_("Taken back because of the return"),
    "mature": N_("The return period is over"),
    "lapse": N_("Their last day was over"),
    "cancel": N_("Back in the lots they came from"),
    "refund": N_("Back in the lots they came from"),
    "membership_return": N_("Back in the lots they came from"),
}


def explain_movement(movement: Movement) -> list[Message]:
    """What became of the points; the rule lines of an event say the rest."""
    amount = {"points": movement.amount}
    match movement.event:
        case "earn" if movement.pending:
            return [Message(N_("Pending while a return is possible"))]
        case "debt":
            return [Message(N_("More was returned than you had: %(points)s points are owed"), amount)]
        case "repay":
            return [Message(N_("%(points)s points paid off what was owed"), amount)]
        case "lapse" if movement.reason == INACTIVE:
            return [Message(N_("Nothing was earned or used for a long time"))]
        case "adjust" | "gift_code":
            paid_off = movement.debt > 0 and not movement.points
            words = Message(N_("%(points)s points paid off what was owed"), amount)
            return [Message(movement.reason), *([words] if paid_off else [])]
        case "activate":
            return [Message(N_("Usable through %(day)s"), {"day": movement.to_day})]
        case "extend" | "reinstate":
            return [Message(N_("Usable through %(day)s"), {"day": movement.to_day}), Message(movement.reason)]
        case event:
            return [Message(_NOTES[event])] if event in _NOTES else []
