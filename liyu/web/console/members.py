"""Members: looking them up, one member with points, reasons and history, adjusting points, freezing and unfreezing."""

from collections.abc import Iterable
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_token
from liyu.members.account import list_tier_moves, list_tiers, load_account
from liyu.members.models import MEMBER_STATES
from liyu.members.points.adjust import adjust_points_once
from liyu.members.points.history import Movement, list_movements
from liyu.members.points.queries import RuleName, rule_names
from liyu.members.profile import MemberChanges, save_member
from liyu.members.queries import (
    find_member_id,
    list_member_states,
    read_member,
)
from liyu.members.service.finder import MemberFilter, list_members
from liyu.members.states import may_become
from liyu.redemption.queries import RedemptionFilter, list_redemptions
from liyu.vouchers.queries import wallet
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    adopt_faults,
    choice_links,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    read_text,
    segment,
    show,
    today_of,
    try_act,
)
from liyu.web.formats import current_zone, format_money
from liyu.web.forms import ChoiceField, Form, IntegerField, TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page, leave_notice, redirect

LARGEST_BY_ONE_PERSON = 10_000
"""Points that one person may give or take at once; more than that is for two people."""
REDEMPTIONS_SHOWN = 8
TIER_MOVES_SHOWN = 8
VOUCHERS_SHOWN = 8


class AdjustForm(Form):
    points = IntegerField(N_("Points"), minimum=-LARGEST_BY_ONE_PERSON, maximum=LARGEST_BY_ONE_PERSON)
    why = TextField(N_("Reason"), maximum=LONGEST_REASON)
    key = TextField(maximum=100)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.points == 0:
            yield "points", Message(N_("Enter how many points to give, or to take with a minus in front."))


class StateForm(Form):
    wanted = ChoiceField(("frozen", "active"))
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


@get("/members", guards=[require_permission("members.read")])
async def show_members(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The list with its search."""
    connection = await driver_connection(session)
    tiers = await list_tiers(connection)
    state = read_choice(request, "state", MEMBER_STATES)
    wanted = MemberFilter(
        text=read_text(request, "q", 200), tier=read_choice(request, "tier", [t.code for t in tiers]), state=state
    )
    found = await list_members(connection, wanted, after=read_cursor(request))
    states: list[tuple[str, str, int | None]] = [(name, words.member_state(name), None) for name in MEMBER_STATES]
    return show(
        request,
        "members",
        lines=found.lines,
        wanted=wanted,
        tiers=[(tier.code, text_of(tier, "name")) for tier in tiers],
        states=choice_links(request, "state", states, state),
        **cursor_links(request, found.next),
    )


@get("/members/{external_id:str}", guards=[require_permission("members.read")])
async def show_member(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """One member."""
    return await _show(request, session, external_id)


@post("/members/{external_id:str}/adjust", guards=[require_permission("members.adjust")])
async def adjust(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Give or take points with a reason. The key that the form carries makes a second click count once."""
    form, actor = await AdjustForm.read(request), actor_of(request)
    if not form.is_valid:
        return await _show(request, session, external_id, form=form)
    connection = await driver_connection(session)
    before = await read_member(connection, external_id)
    done: list[bool] = []

    async def act() -> None:
        done.append(
            await adjust_points_once(
                connection,
                external_id,
                form.points,
                reason=form.why,
                key=f"{actor.reference}:{form.key}",
                actor=actor.reference,
                now=now_of(request),
                zone=current_zone(),
            )
        )

    refusal = adopt_faults(form, await try_act(connection, act()))
    if refusal or form.faults:
        return await _show(request, session, external_id, form=form if form.faults else None, refusal=refusal)
    if not done[0]:
        leave_notice(request, N_("This adjustment was made already; nothing was done twice."))
        return redirect(request, f"/console/members/{segment(external_id)}")
    after = await read_member(connection, external_id)
    await record_act(
        request,
        session,
        "member.adjust",
        f"member:{external_id}",
        before={"balance": before.balance, "debt": before.debt},
        after={"balance": after.balance, "debt": after.debt, "points": form.points, "reason": form.why},
    )
    leave_notice(request, Message(N_("Done. The balance is %(points)s points now."), {"points": after.balance}))
    return redirect(request, f"/console/members/{segment(external_id)}")


@post("/members/{external_id:str}/state", guards=[require_permission("members.freeze")])
async def change_state(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Freeze or unfreeze, with a reason."""
    form = await StateForm.read(request)
    if not form.is_valid:
        return await _show(request, session, external_id, form=form)
    connection = await driver_connection(session)
    before = await read_member(connection, external_id)
    change = save_member(
        connection,
        external_id,
        MemberChanges(state=form.wanted, reason=form.reason),
        actor=actor_of(request).reference,
        now=now_of(request),
        zone=current_zone(),
    )
    refusal = await try_act(connection, change)
    if refusal:
        return await _show(request, session, external_id, refusal=refusal)
    await record_act(
        request,
        session,
        "member.state",
        f"member:{external_id}",
        before={"state": before.state},
        after={"state": form.wanted, "reason": form.reason},
    )
    leave_notice(request, N_("The account is frozen.") if form.wanted == "frozen" else N_("The account works again."))
    return redirect(request, f"/console/members/{segment(external_id)}")


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
    history = await list_movements(connection, member_id, read_cursor(request))
    states = await list_member_states(connection, member_id)
    rules = await rule_names(connection)
    vouchers = await wallet(connection, member_id, now_of(request))
    return show(
        request,
        "member",
        refusal=refusal,
        **({"status": 422} if form is not None else {}),
        member=member,
        account=await load_account(connection, member_id, today_of(request)),
        tier_moves=await list_tier_moves(connection, member_id, TIER_MOVES_SHOWN),
        states=states,
        names=await name_people(connection, [one.actor for one in states]),
        movements=[_row(movement, rules) for movement in history.movements],
        redemptions=await list_redemptions(connection, RedemptionFilter(member=external_id), size=REDEMPTIONS_SHOWN),
        vouchers=[*vouchers.usable, *vouchers.used, *vouchers.expired][:VOUCHERS_SHOWN],
        voucher_counts=vouchers.counts,
        can_freeze=may_become(member.state, "frozen"),
        can_unfreeze=member.state == "frozen",
        largest=LARGEST_BY_ONE_PERSON,
        key=form.raw["key"] if isinstance(form, AdjustForm) and form.raw["key"] else make_token(),
        form=form,
        **cursor_links(request, history.next_cursor),
    )


def _row(movement: Movement, rules: dict[str, RuleName]) -> dict[str, Any]:
    notes = words.notes_on(movement, rules)
    if movement.amount_minor:
        notes.insert(0, format_money(abs(movement.amount_minor), movement.currency or "CNY"))
    is_order = movement.event in ("redeem", "cancel")
    return {
        "title": words.title_of(movement),
        "notes": notes,
        "at": movement.at,
        "source": movement.source,
        "amount": movement.points or movement.pending or movement.debt,
        "moves": bool(movement.points),
        "balance": movement.balance,
        "href": f"/console/redemptions/{segment(movement.source)}" if is_order else None,
    }


ROUTES = [show_members, show_member, adjust, change_state]
