"""What the member agrees to, each in the wording that holds now, and what they said when."""

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.personal.consents import list_history, list_standings, say
from liyu.web.actor import actor_of
from liyu.web.acts import carry_out
from liyu.web.consent_words import CONSENT_PURPOSES
from liyu.web.forms import CheckField, Form, IntegerField
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.pages import Page, leave_notice, page, redirect

PATH = "/account/consents"


class ConsentForm(Form):
    text = IntegerField()
    given = CheckField()


@get(PATH)
async def show_consents(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All purposes and the history."""
    return await _show(request, session, ConsentForm.blank())


@post(PATH)
async def answer_consent(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Say yes, or take it back."""
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    form = await ConsentForm.read(request)
    if not form.is_valid:
        return await _show(request, session, form, status=422)
    actor, now = actor_of(request).reference, now_of(request)
    await carry_out(connection, form, say(connection, member_id, form.text, given=form.given, actor=actor, now=now))
    if form.faults:
        return await _show(request, session, form, status=409)
    leave_notice(request, N_("Thank you, noted.") if form.given else N_("Taken back. It takes effect at once."))
    return redirect(request, PATH)


async def _show(request: AnyRequest, session: AsyncSession, form: Form, status: int = 200) -> Page:
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    return page(
        request,
        "mall/consents.html",
        status=status,
        tab="me",
        form=form,
        standings=await list_standings(connection, member_id),
        history=await list_history(connection, member_id),
        purposes=CONSENT_PURPOSES,
    )


ROUTES = [show_consents, answer_consent]
