"""Many orders at once: ticked in the list, looked at with one confirmation, done each by itself, and told what came of each."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import post
from litestar.di import NamedDependency
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import NotAllowedError
from liyu.core.i18n import N_, Message
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.orderdesk.bulk import act_on_each, receive_order, tell_ready
from liyu.redemption.queries import list_by_numbers
from liyu.redemption.reasons import STAFF_REASONS
from liyu.redemption.topup.orders import retry_top_up
from liyu.web import order_words
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, Connection, now_of, show
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, Form
from liyu.web.i18n import gettext
from liyu.web.order_ticks import read_ticked
from liyu.web.pages import Page, leave_notice, redirect

LIST = "/console/redemptions"
GUARD = require_permission("redemptions.read")


class Act(Struct, frozen=True):
    """Something to do with many orders: what it is called, what it leads to, who may, and whether it needs a reason."""

    label: str
    told: str
    permission: str
    needs_reason: bool = False
    is_grave: bool = False


ACTS: dict[str, Act] = {
    "arrived": Act(
        N_("Mark as arrived"),
        N_("Their parcels count as received; what was sent whole is completed."),
        "redemptions.fulfil",
    ),
    "ready": Act(
        N_("Tell that it can be picked up"),
        N_("Their members are told, once, that it is ready at the store."),
        "redemptions.fulfil",
    ),
    "top_up": Act(
        N_("Try the top-up again"),
        N_("The system that credits them is asked again at once, with the same number: it credits once."),
        "redemptions.fulfil",
    ),
    "give_back": Act(
        N_("Release or cancel"),
        N_("Their points go back into their lots; stock, limits and codes are given back."),
        "redemptions.cancel",
        needs_reason=True,
        is_grave=True,
    ),
}


class BulkForm(Form):
    act = ChoiceField(ACTS, N_("For those that are ticked"))
    reason = ChoiceField(STAFF_REASONS, N_("Reason"), required=False)


def act_choices(request: AnyRequest) -> list[tuple[str, str]]:
    """What the one who looks may do."""
    actor = actor_of(request)
    return [(name, gettext(act.label)) for name, act in ACTS.items() if actor.may(act.permission)]


@post("/redemptions/bulk", guards=[GUARD])
async def look(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The orders that were ticked and what would be done. Nothing has changed."""
    form, numbers = await BulkForm.read(request), await read_ticked(request)
    if not form.is_valid or not numbers:
        leave_notice(request, N_("Tick some orders and choose what to do. Nothing was changed."), "error")
        return redirect(request, LIST)
    _check_may(request, form.act)
    return await _show(request, await driver_connection(session), form, numbers)


@post("/redemptions/bulk/apply", guards=[GUARD])
async def apply(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Do it, each order by itself, and tell what came of each."""
    form, numbers = await BulkForm.read(request), await read_ticked(request)
    if not form.is_valid or not numbers:
        leave_notice(request, N_("Tick some orders and choose what to do. Nothing was changed."), "error")
        return redirect(request, LIST)
    _check_may(request, form.act)
    connection = await driver_connection(session)
    if ACTS[form.act].needs_reason and not form.reason:
        form.faults["reason"] = Message(N_("This field is needed."))
        return await _show(request, connection, form, numbers, status=422)
    results = await act_on_each(connection, numbers, _doing(request, connection, form))
    done = [one.number for one in results if one.is_done]
    after = {"act": form.act, "orders": done, "reason": form.reason or None}
    await record_act(request, session, "redemption.bulk", "redemption:many", after=after)
    return await _show(request, connection, form, numbers, results={one.number: one for one in results}, done=len(done))


def _doing(request: AnyRequest, connection: Connection, form: BulkForm) -> Callable[[str], Awaitable[Any]]:
    actor, now = actor_of(request).reference, now_of(request)
    match form.act:
        case "arrived":
            return lambda number: receive_order(connection, number, actor=actor, now=now)
        case "ready":
            return lambda number: tell_ready(connection, number, now=now)
        case "top_up":
            return lambda number: retry_top_up(connection, number, now)
        case _:
            return lambda number: cancel_redemption(
                connection, number, member_id=None, reason=form.reason, actor=actor, now=now, zone=current_zone()
            )


def _check_may(request: AnyRequest, act: str) -> None:
    if not actor_of(request).may(ACTS[act].permission):
        raise NotAllowedError


async def _show(
    request: AnyRequest,
    connection: Connection,
    form: BulkForm,
    numbers: list[str],
    *,
    status: int = 200,
    results: dict[str, Any] | None = None,
    done: int = 0,
) -> Page:
    return show(
        request, "redemptions_bulk", status=status, form=form, act=ACTS[form.act], numbers=numbers,
        lines=await list_by_numbers(connection, numbers), results=results, done=done,
        reasons=order_words.reason_choices(STAFF_REASONS),
    )  # fmt: skip


ROUTES = [look, apply]
