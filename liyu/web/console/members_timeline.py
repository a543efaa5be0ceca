"""The timeline of a member in words: what happened, why, by whom, and what it did to the points."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import convert

from liyu.core.i18n import N_, Message
from liyu.members.points.history import Movement
from liyu.members.points.queries import RuleName
from liyu.redemption.timeline import Place, TimelineEvent
from liyu.web.console import audit_words, ledger_words, words
from liyu.web.console.common import AnyRequest, Names, segment
from liyu.web.formats import format_money
from liyu.web.i18n import current_locale, gettext, translate

KINDS = {
    "points": N_("Points"),
    "orders": N_("Redemptions"),
    "vouchers": N_("Vouchers"),
    "adjustments": N_("Adjustments"),
    "tier": N_("Tier"),
    "state": N_("Account and card"),
    "logins": N_("Sign-ins"),
    "notes": N_("Notes"),
    "tags": N_("Tags"),
    "audit": N_("Staff"),
}
TONES = {"points": "gold", "adjustments": "gold", "state": "red", "notes": "blue", "audit": "grey", "logins": "grey"}

_STEPS = {
    "moved": N_("Points adjusted"),
    "requested": N_("Adjustment asked for"),
    "approved": N_("Adjustment approved"),
    "refused": N_("Adjustment refused"),
}
_CARDS = {"blocked": N_("Card blocked"), "issued": N_("New card")}


def read_place(request: AnyRequest) -> Place | None:
    """Where the page of the timeline begins; an address that makes no sense shows the beginning."""
    at, _, rest = str(request.query_params.get("after") or "").partition("~")
    kind, _, number = rest.partition("~")
    if kind not in KINDS or not number.removeprefix("-").isdigit() or len(number) > 18:
        return None
    try:
        instant = datetime.fromisoformat(at)
    except ValueError:
        return None
    return Place(instant, kind, int(number)) if instant.tzinfo else None


def write_place(place: Place | None) -> str | None:
    """The place as the address carries it."""
    return None if place is None else f"{place.at.isoformat()}~{place.kind}~{place.id}"


def row_of(event: TimelineEvent, rules: dict[str, RuleName], names: Names) -> dict[str, Any]:
    """One event as the page shows it."""
    row: dict[str, Any] = {
        "at": event.at,
        "kind": gettext(KINDS[event.kind]),
        "tone": TONES.get(event.kind, ""),
        "by": names.of(event.actor) if event.actor else "",
        "notes": [],
        "amount": None,
        "moves": False,
        "href": None,
    }
    return row | IN_WORDS[event.kind](event.data, rules)


def movement_row(movement: Movement, rules: dict[str, RuleName]) -> dict[str, Any]:
    """A movement of points: what it was and why, with what it did to the balance."""
    notes = ledger_words.notes_on(movement, rules)
    if movement.amount_minor:
        notes.insert(0, format_money(abs(movement.amount_minor), movement.currency or "CNY"))
    is_order = movement.event in ("redeem", "cancel", "refund")
    return {
        "title": ledger_words.title_of(movement),
        "notes": [*notes, ledger_words.reference(movement.source)],
        "at": movement.at,
        "amount": movement.points or movement.pending or movement.debt,
        "moves": bool(movement.points),
        "balance": movement.balance,
        "href": f"/console/redemptions/{segment(movement.source)}" if is_order else None,
    }


def _points(data: dict[str, Any], rules: dict[str, RuleName]) -> dict[str, Any]:
    row = movement_row(convert(data, Movement), rules)
    return {name: row[name] for name in ("title", "notes", "amount", "moves", "href")}


def _order(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    title = f"{words.order_state(data['state'])} · {_local(data, 'name')}"
    if data["quantity"] > 1:
        title += f" × {data['quantity']}"
    return {
        "title": title,
        "notes": [words.reason(data["reason"]), data["number"]],
        "href": f"/console/redemptions/{segment(data['number'])}",
    }


def _voucher(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    if "claimed" in data:
        title = f"{gettext(N_('Put into a wallet'))} · {_local(data, 'name')}"
        return {"title": title, "notes": [data["run"]], "href": f"/console/vouchers/{data['claimed']}"}
    if "change" in data:
        title = f"{gettext(words.VOUCHER_CHANGES[data['change']])} · {_local(data, 'name')}"
        return {"title": title, "notes": [data["reason"]], "href": f"/console/vouchers/{data['voucher']}"}
    notes = [words.reason(data.get("reason", "")), data["number"]]
    if "state" in data:
        what = words.voucher_state(data["state"])
    else:
        what = gettext(N_("Used, then taken back") if data["undone"] else N_("Used at a store"))
        notes.insert(0, _local(data, "store"))
    return {
        "title": f"{what} · {_local(data, 'name')}",
        "notes": notes,
        "href": f"/console/redemptions/{segment(data['number'])}",
    }


def _adjustment(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    step = data["step"]
    row: dict[str, Any] = {"title": gettext(_STEPS[step]), "notes": [data["reason"]]}
    if step == "moved":
        return row | {"amount": data["points"], "moves": True}
    row["notes"].insert(0, translate(Message(N_("%(points)s points"), {"points": data["points"]})))
    return row


def _tier(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    growth = translate(Message(N_("growth value %(growth)s"), {"growth": data["growth"]}))
    before = _local(data, "from")
    title = f"{before} → {_local(data, 'to')}" if before else _local(data, "to")
    return {"title": title, "notes": [words.reason(data["reason"]), growth, data.get("note") or ""]}


def _state(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    if "card" in data:
        change = data["change"]
        return {"title": gettext(_CARDS[change]), "notes": [data["card"], data["reason"]]}
    if data["state"] == "merged":
        title = translate(Message(N_("%(member)s was merged into this member"), {"member": data["member"]}))
        return {"title": title, "notes": [data["reason"]]}
    return {"title": words.member_state(data["state"]), "notes": [words.reason(data["reason"])]}


def _login(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    return {"title": gettext(N_("Signed in")), "notes": [data["address"], data["agent"][:80]]}


def _note(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    return {"title": data["text"]}


def _tag(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    words_of = N_("Tag given: %(tag)s") if data["given"] else N_("Tag taken: %(tag)s")
    return {
        "title": translate(Message(words_of, {"tag": _local(data, "name")})),
        "notes": [words.reason(data["reason"])],
    }


def _audit(data: dict[str, Any], _rules: dict[str, RuleName]) -> dict[str, Any]:
    return {"title": audit_words.action(data["action"]), "notes": [data["address"] or ""]}


IN_WORDS: dict[str, Callable[[dict[str, Any], dict[str, RuleName]], dict[str, Any]]] = {
    "points": _points,
    "orders": _order,
    "vouchers": _voucher,
    "adjustments": _adjustment,
    "tier": _tier,
    "state": _state,
    "logins": _login,
    "notes": _note,
    "tags": _tag,
    "audit": _audit,
}


def _local(data: dict[str, Any], name: str) -> str:
    own = data.get(f"{name}_zh" if current_locale().startswith("zh") else f"{name}_en")
    return own or data.get(f"{name}_zh") or ""
