"""Who is the same natural person: binding a membership to another one, and separating it again, each with a reason."""

from collections.abc import Awaitable

from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.queries import find_member_id
from liyu.redemption.persons import name_same_person, part_from_person
from liyu.web.actor import require_permission
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.console.common import LONGEST_REASON, AnyRequest
from liyu.web.console.members_page import page_of, show_member_page
from liyu.web.forms import Form, TextField
from liyu.web.pages import Page, leave_notice, redirect

GUARD = require_permission("members.merge")


class BindForm(Form):
    same_person_as = TextField(N_("Number of the other member"), maximum=200)
    bind_reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class PartForm(Form):
    part_reason = TextField(N_("Why they are not the same"), maximum=LONGEST_REASON)


@post("/members/{external_id:str}/person/bind", guards=[GUARD])
async def bind(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Note that another membership is the same natural person's."""
    form, connection = await BindForm.read(request), await driver_connection(session)
    act = name_same_person(connection, external_id, form.same_person_as) if form.is_valid else None
    return await _carry_out(
        request, session, external_id, form, act, "bind", N_("Both memberships are one person's from now on.")
    )


@post("/members/{external_id:str}/person/part", guards=[GUARD])
async def part(request: AnyRequest, session: NamedDependency[AsyncSession], external_id: FromPath[str]) -> Page:
    """Let this membership stand for a person of its own again."""
    form, connection = await PartForm.read(request), await driver_connection(session)
    member_id = await find_member_id(connection, external_id)
    act = part_from_person(connection, member_id) if form.is_valid else None
    return await _carry_out(request, session, external_id, form, act, "part", N_("The membership is separated."))


async def _carry_out(
    request: AnyRequest,
    session: AsyncSession,
    external_id: str,
    form: Form,
    act: Awaitable[None] | None,
    name: str,
    done: str,
) -> Page:
    connection = await driver_connection(session)
    if act is not None:
        await carry_out(connection, form, act)
    if not form.is_valid:
        return await show_member_page(request, session, external_id, form=form)
    await record_act(request, session, f"member.person.{name}", f"member:{external_id}", after=dict(form.values))
    leave_notice(request, Message(done))
    return redirect(request, page_of(external_id))


ROUTES = [bind, part]
