"""The words of a drop for its members: its announced rule, and the log of why."""

from datetime import datetime
from typing import Any

from liyu.catalog.views import ItemView
from liyu.core.i18n import N_, Message
from liyu.redemption.drops.board import AnnouncedDrop
from liyu.redemption.drops.notes import WORDS
from liyu.redemption.drops.queries import LogLine
from liyu.redemption.errors import make_reason
from liyu.web.i18n import gettext, translate
from liyu.web.mall.cards import in_words

_TONES = {
    "granted": "gold", "taken": "gold", "refused": "red", "lapsed": "red", "called_off": "red", "too_many_requests": "red",
    "attention_missing": "red", "attention_wrong": "red",
}  # fmt: skip


def announce_rule(drop: AnnouncedDrop, item: ItemView) -> list[str]:
    """What is announced, sentence by sentence; all of it is what the desk does."""
    rule = [
        Message(N_("First come, first served: requests are settled in the order in which they arrive.")),
        Message(N_("There are %(units)s units in all."), {"units": drop.units}),
    ]
    if len(drop.waves) > 1:
        rule.append(
            Message(N_("They open in %(count)s waves, which share one waiting list."), {"count": len(drop.waves)})
        )
    if item.per_member_limit is not None:
        rule.append(Message(N_("Each member may redeem %(limit)s."), {"limit": item.per_member_limit}))
    if item.per_person_limit is not None:
        rule.append(
            Message(
                N_("Each person may redeem %(limit)s, over all their memberships."), {"limit": item.per_person_limit}
            )
        )
    if drop.asks_attention:
        rule.append(Message(N_("While the rush is on, a short question is asked, so that programs do not come first.")))
    rule += [
        Message(
            N_(
                "What is given back goes to the waiting list in order; each is kept %(minutes)s minutes, then goes to the next."
            ),
            {"minutes": drop.offer_minutes},
        ),
        Message(N_("The drop ends at %(time)s."), {"time": drop.ends_at}),
    ]
    return [translate(sentence) for sentence in rule]


def list_waves(drop: AnnouncedDrop, now: datetime) -> list[dict[str, Any]]:
    """The waves with what there is to say of each now."""
    upcoming = drop.next_wave(now)
    return [
        {
            "number": wave.number,
            "opens_at": wave.opens_at,
            "units": wave.units,
            "is_next": wave == upcoming,
            "label": gettext(
                N_("Opened") if wave.opens_at <= now else N_("Opens next") if wave == upcoming else N_("Later")
            ),
            "tone": "" if wave.opens_at <= now else "gold" if wave == upcoming else "grey",
        }
        for wave in drop.waves
    ]


def tell_log(log: list[LogLine]) -> list[dict[str, Any]]:
    """The entries of the log for a timeline, the newest first."""
    return [
        {"text": _text_of(line), "when": line.at, "state": _TONES.get(line.what, ""), "note": _reasons_of(line)}
        for line in reversed(log)
    ]


def _text_of(line: LogLine) -> str:
    match line.what:
        case "granted":
            return translate(Message(N_("Redeemed: order %(number)s"), line.details))
        case "refused":
            return gettext(N_("Refused; nothing was changed"))
        case what:
            return translate(Message(WORDS[what], in_words(line.details)))


def _reasons_of(line: LogLine) -> str:
    return " ".join(translate(make_reason(name, **in_words(details)).message) for name, details in line.reasons)
