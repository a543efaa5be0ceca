"""Expiry: what lapses when, the policy, giving points a later last day, putting back what has lapsed, and who did so why."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_token
from liyu.members.account import load_account
from liyu.members.points.expiry import latest_extension
from liyu.members.points.expiry_models import EXTEND, REINSTATE
from liyu.members.points.expiry_order import LONGEST_REASON, Order, Weight, check_order, give_order
from liyu.members.points.expiry_policy import (
    EXPIRY_POLICIES,
    FEWEST_INACTIVE_DAYS,
    MOST_INACTIVE_DAYS,
    ExpiryPolicy,
    change_policy,
)
from liyu.members.points.expiry_queries import list_changes, list_lapsed, list_reminders
from liyu.members.points.health import load_health
from liyu.members.points.lots import add_months, end_of_month
from liyu.members.program import ProgramTerms, load_terms
from liyu.members.queries import find_member_id, read_member
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import adopt_faults, attempt
from liyu.web.audit import record_act
from liyu.web.console.common import (
    AnyRequest,
    cursor_links,
    name_people,
    now_of,
    read_choice,
    read_cursor,
    read_text,
    segment,
    show,
    today_of,
)
from liyu.web.console.points_health import worth
from liyu.web.formats import current_zone, format_year_month
from liyu.web.forms import ChoiceField, DateField, Form, IntegerField, TextField
from liyu.web.i18n import current_locale, gettext, translate
from liyu.web.pages import Page, leave_notice, redirect

PAGE = "/console/points/expiry"
DAYS_SHOWN = 12
LONGER_BY_MONTHS = 3
POLICY_NAMES = {
    "year_end": N_("At the end of the following year"),
    "rolling": N_("So many months after they were earned, at the month's end"),
    "never": N_("Never lapse"),
}
KIND_NAMES = {EXTEND: N_("Extended"), REINSTATE: N_("Put back"), "activate": N_("Validity began")}


class PolicyForm(Form):
    expiry_policy = ChoiceField(EXPIRY_POLICIES, N_("Points lapse"))
    expiry_months = IntegerField(N_("Months"), minimum=1, maximum=120)
    lapsed_grace_days = IntegerField(N_("Days of grace"), maximum=366)
    reminder_days = IntegerField(N_("Days before, for the reminder"), maximum=366)
    inactive_days = IntegerField(N_("Days without activity"), required=False, maximum=MOST_INACTIVE_DAYS)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.inactive_days and self.inactive_days < FEWEST_INACTIVE_DAYS:
            values = {"minimum": FEWEST_INACTIVE_DAYS, "maximum": MOST_INACTIVE_DAYS}
            yield "inactive_days", Message(N_("Enter 0, or a number from %(minimum)s to %(maximum)s."), values)


class ChangeForm(Form):
    """An order, first looked at (`check`), then given (`do`)."""

    kind = ChoiceField((EXTEND, REINSTATE))
    member = TextField(required=False, maximum=200)
    from_day = DateField(N_("Last day of validity"))
    to_day = DateField(N_("New last day"), required=False)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)
    key = TextField(maximum=100)
    step = ChoiceField(("check", "do"))


@get("/points/expiry", guards=[require_permission("points.read")])
async def show_expiry(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The forecast, the next last days, the policy and the orders."""
    return await _show_expiry(request, session)


@post("/points/expiry/policy", guards=[require_permission("points.expiry")])
async def save_policy(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Change the policy for points earned from now on."""
    form = await PolicyForm.read(request)
    if not form.is_valid:
        return await _show_expiry(request, session, form=form)
    connection = await driver_connection(session)
    before = _policy_of(await load_terms(connection))
    policy = ExpiryPolicy(
        form.expiry_policy, form.expiry_months, form.lapsed_grace_days, form.reminder_days, form.inactive_days or 0
    )
    await change_policy(connection, policy)
    await record_act(
        request, session, "points.policy", "program:1", before=structs.asdict(before), after=structs.asdict(policy)
    )
    leave_notice(request, N_("The policy holds for points earned from now on."))
    return redirect(request, PAGE)


@get("/points/expiry/change", guards=[require_permission("points.expiry")])
async def show_change(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The form of an order; the address says for which day, and for whom."""
    kind = read_choice(request, "kind", (EXTEND, REINSTATE)) or EXTEND
    from_day = read_text(request, "from_day", 10)
    later = ""
    try:
        later = end_of_month(add_months(date.fromisoformat(from_day), LONGER_BY_MONTHS)).isoformat()
    except ValueError:
        from_day = ""
    form = ChangeForm.blank(
        kind=kind, member=read_text(request, "member", 200), from_day=from_day, to_day=later, key=make_token()
    )
    return await _show_change(request, session, form)


@post("/points/expiry/change", guards=[require_permission("points.expiry")])
async def change(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Look at what an order would do; when that was confirmed, do it."""
    form = await ChangeForm.read(request)
    if not form.is_valid:
        return await _show_change(request, session, form)
    connection = await driver_connection(session)
    assert form.from_day is not None
    member_id = await find_member_id(connection, form.member) if form.member else None
    actor = actor_of(request).reference
    order = Order(form.kind, member_id, form.from_day, form.to_day, form.reason, f"{actor}:{form.key}")
    if form.step == "check":
        checked = await attempt(connection, check_order(connection, order, now=now_of(request), zone=current_zone()))
        if isinstance(checked, DomainError):
            return await _show_change(request, session, form, refusal=adopt_faults(form, checked))
        return await _show_change(request, session, form, checked=checked)
    act = give_order(connection, order, actor=actor, now=now_of(request), zone=current_zone())
    given = await attempt(connection, act)
    if isinstance(given, DomainError):
        return await _show_change(request, session, form, refusal=adopt_faults(form, given))
    if given.is_new:
        after = {"day": str(form.from_day), "until": str(given.to_day), "reason": form.reason, "order": given.id}
        subject = f"member:{form.member}" if form.member else "points:all"
        await record_act(request, session, f"points.{form.kind}", subject, after=after)
    leave_notice(request, N_("Done.") if given.finished else N_("The order is given; the worker carries it out."))
    return redirect(request, f"/console/members/{segment(form.member)}/expiry" if form.member else PAGE)


@get("/members/{external_id:str}/expiry", guards=[require_permission("members.read")])
async def show_member_expiry(
    request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]
) -> Page:
    """One member's points by month of expiry, what can be put back, what they were told, and what was changed why."""
    connection = await driver_connection(session)
    member = await read_member(connection, external_id)
    member_id = await find_member_id(connection, external_id)
    terms, today = await load_terms(connection), today_of(request)
    changes, cursor = await list_changes(connection, member_id=member_id, before=read_cursor(request))
    return show(
        request,
        "member_expiry",
        member=member,
        account=await load_account(connection, member_id, today),
        lapsed=await list_lapsed(connection, member_id, today, terms.lapsed_grace_days),
        grace_days=terms.lapsed_grace_days,
        reminders=await list_reminders(connection, member_id),
        of_member=True,
        changes=[_change_row(one) for one in changes],
        names=await name_people(connection, [one.actor for one in changes]),
        **cursor_links(request, cursor),
    )


async def _show_expiry(request: AnyRequest, session: AsyncSession, *, form: PolicyForm | None = None) -> Page:
    connection = await driver_connection(session)
    terms, today = await load_terms(connection), today_of(request)
    health = await load_health(connection, now=now_of(request), zone=current_zone())
    changes, cursor = await list_changes(connection, before=read_cursor(request))
    lapses = health.lapses if health else []
    most = max((row.points for row in lapses), default=1)
    return show(
        request,
        "points_expiry",
        status=422 if form is not None else 200,
        health=health,
        lapses=[
            {
                "label": format_year_month(row.month, current_locale()) if row.month else gettext(N_("Never lapse")),
                "points": row.points,
                "lots": row.lots,
                "money": worth(row.points, terms),
                "most": most,
            }
            for row in lapses
        ],
        days=[day for day in health.days if day.day and day.day >= today][:DAYS_SHOWN] if health else [],
        terms=terms,
        policies=[(name, gettext(label)) for name, label in POLICY_NAMES.items()],
        policy_words=gettext(POLICY_NAMES[terms.expiry_policy]),
        of_member=False,
        form=form or PolicyForm.blank(**structs.asdict(_policy_of(terms))),
        changes=[_change_row(one) for one in changes],
        names=await name_people(connection, [one.actor for one in changes]),
        **cursor_links(request, cursor),
    )


async def _show_change(
    request: AnyRequest,
    session: AsyncSession,
    form: ChangeForm,
    *,
    refusal: DomainError | None = None,
    checked: tuple[date, Weight] | None = None,
) -> Page:
    connection = await driver_connection(session)
    member = await read_member(connection, form.raw["member"]) if form.raw["member"] else None
    terms = await load_terms(connection)
    extends = form.raw["kind"] != REINSTATE
    today = today_of(request)
    return show(
        request,
        "points_change",
        refusal=refusal,
        **({"status": 422} if form.faults else {}),
        form=form,
        member=member,
        extends=extends,
        title=gettext(N_("Extend points")) if extends else gettext(N_("Put back lapsed points")),
        back=f"/console/members/{segment(member.external_id)}/expiry" if member else PAGE,
        terms=terms,
        latest=latest_extension(today),
        checked=_sentence(form, checked) if checked else None,
    )


def _sentence(form: ChangeForm, checked: tuple[date, Weight]) -> str:
    """What the order does, for the one who confirms it."""
    to_day, weight = checked
    values = {
        "points": weight.points, "lots": weight.lots, "members": weight.members, "from_day": form.from_day, "to_day": to_day,
    }  # fmt: skip
    if form.kind == EXTEND:
        words = N_(
            "Points: %(points)s, members: %(members)s, lots: %(lots)s. "
            "They can be used through %(to_day)s instead of %(from_day)s."
        )
    else:
        words = N_(
            "Points: %(points)s, members: %(members)s, lots: %(lots)s. "
            "They lapsed after %(from_day)s, come back and can be used through %(to_day)s."
        )
    return translate(Message(words, values))


def _change_row(one: Any) -> dict[str, Any]:
    return {"change": one, "kind": gettext(KIND_NAMES[one.kind])}


def _policy_of(terms: ProgramTerms) -> ExpiryPolicy:
    return ExpiryPolicy(*(getattr(terms, name) for name in ExpiryPolicy.__struct_fields__))


ROUTES = [show_expiry, save_policy, show_change, change, show_member_expiry]
