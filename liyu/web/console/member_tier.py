"""One member's tier and card: where they stand and why, a tier set by hand, a lost card and the next one."""

from collections.abc import Iterable

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.account import list_tiers, load_account
from liyu.members.cards import BLOCKED, CardLine, block_card, issue_card, list_card_changes
from liyu.members.queries import find_member_id, read_member
from liyu.members.tiers.queries import TierEntry, list_tier_history, load_progress
from liyu.members.tiers.service import Placement, set_tiers
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, try_act
from liyu.web.audit import record_act
from liyu.web.card_words import LOSSES
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Names,
    ReasonForm,
    name_people,
    now_of,
    segment,
    show,
    today_of,
)
from liyu.web.formats import current_zone
from liyu.web.forms import DateField, Form, TextField
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.tier_words import explain_change, name_change, tone_of

CHANGES_SHOWN = 50


class TierForm(Form):
    tier = TextField(N_("Tier"), maximum=64)
    until = DateField(N_("Through"))
    why = TextField(N_("Reason"), maximum=LONGEST_REASON)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.until is None:
            yield "until", Message(N_("This field is needed."))


@get("/members/{external_id:str}/tier", guards=[require_permission("members.read")])
async def show_member_tier(
    request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]
) -> Page:
    """Where a member stands, why, and their card."""
    return await _show(request, session, external_id)


@post("/members/{external_id:str}/tier", guards=[require_permission("members.tier")])
async def set_tier(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Set the tier by hand, with a reason and through a day."""
    form, actor = await TierForm.read(request), actor_of(request)
    if not form.is_valid or form.until is None:
        return await _show(request, session, external_id, form=form)
    connection = await driver_connection(session)
    member_id = await find_member_id(connection, external_id)
    before = await load_progress(connection, member_id)
    act = set_tiers(
        connection,
        [Placement(member_id, form.tier, form.until)],
        reason=form.why,
        actor=actor.reference,
        now=now_of(request),
        zone=current_zone(),
    )
    refusal = adopt_faults(form, await try_act(connection, act))
    if refusal or form.faults:
        return await _show(request, session, external_id, form=form, refusal=refusal)
    await record_act(
        request,
        session,
        "member.tier",
        f"member:{external_id}",
        before={"tier": before.tier_code, "until": before.until and before.until.isoformat()},
        after={"tier": form.tier, "until": form.until.isoformat(), "reason": form.why},
    )
    leave_notice(request, N_("The tier is set."))
    return redirect(request, f"/console/members/{segment(external_id)}/tier")


@post("/members/{external_id:str}/card/loss", guards=[require_permission("members.card")])
async def report_loss(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Block the card at once, with a reason."""
    form, actor = await ReasonForm.read(request), actor_of(request)
    if not form.is_valid:
        return await _show(request, session, external_id, form=form)
    connection = await driver_connection(session)
    member_id = await find_member_id(connection, external_id)
    number = (await read_member(connection, external_id)).card_number
    act = block_card(connection, member_id, reason=form.reason, actor=actor.reference, now=now_of(request))
    refusal = adopt_faults(form, await try_act(connection, act))
    if refusal or form.faults:
        return await _show(request, session, external_id, form=form if form.faults else None, refusal=refusal)
    await record_act(
        request, session, "member.card_loss", f"member:{external_id}",
        before={"card_number": number}, after={"card_number": None, "reason": form.reason},
    )  # fmt: skip
    leave_notice(request, Message(N_("Card %(number)s is blocked from now on."), {"number": number}))
    return redirect(request, f"/console/members/{segment(external_id)}/tier")


@post("/members/{external_id:str}/card/new", guards=[require_permission("members.card")])
async def issue_new_card(
    request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]
) -> Page:
    """Issue a card with a new number in the place of a blocked one."""
    actor, connection = actor_of(request), await driver_connection(session)
    member_id = await find_member_id(connection, external_id)
    refusal = await try_act(connection, issue_card(connection, member_id, actor=actor.reference, now=now_of(request)))
    if refusal:
        return await _show(request, session, external_id, refusal=refusal)
    number = (await read_member(connection, external_id)).card_number
    await record_act(
        request, session, "member.card_issue", f"member:{external_id}", after={"card_number": number}
    )  # fmt: skip
    leave_notice(request, Message(N_("Card %(number)s is issued."), {"number": number}))
    return redirect(request, f"/console/members/{segment(external_id)}/tier")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    external_id: str,
    *,
    form: Form | None = None,
    refusal: DomainError | None = None,
) -> Page:
    connection = await driver_connection(session)
    member = await read_member(connection, external_id)
    member_id = await find_member_id(connection, external_id)
    history = await list_tier_history(connection, member_id, CHANGES_SHOWN)
    cards = await list_card_changes(connection, member_id)
    names = await name_people(connection, [*(one.actor for one in history), *(one.actor for one in cards)])
    return show(
        request,
        "member_tier",
        refusal=refusal,
        **({"status": 422} if form is not None and not refusal else {}),
        member=member,
        account=await load_account(connection, member_id, today_of(request)),
        progress=await load_progress(connection, member_id),
        tiers=[(tier.code, text_of(tier, "name")) for tier in await list_tiers(connection)],
        changes=[_tier_change(one, names) for one in history],
        cards=[_card_change(one, names) for one in cards],
        form=form,
        is_open=member.state not in ("closed", "merged"),
    )


def _tier_change(entry: TierEntry, names: Names) -> dict[str, object]:
    return {
        "text": name_change(entry),
        "when": entry.at,
        "by": names.of(entry.actor),
        "note": explain_change(entry),
        "state": tone_of(entry),
    }


def _card_change(line: CardLine, names: Names) -> dict[str, object]:
    is_blocked = line.change == BLOCKED
    words = N_("Card %(number)s blocked") if is_blocked else N_("Card %(number)s issued")
    return {
        "text": translate(Message(words, {"number": line.number})),
        "when": line.at,
        "by": names.of(line.actor),
        "note": gettext(LOSSES.get(line.reason, line.reason)) if line.reason else "",
        "state": "red" if is_blocked else "",
    }


ROUTES = [show_member_tier, set_tier, report_loss, issue_new_card]
