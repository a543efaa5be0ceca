"""What members are asked to agree to: every wording with its version and how many stand by it; publishing a new one."""

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_, Message
from liyu.members.personal.consents import LONGEST_TEXT, PURPOSES, list_wordings, publish_text
from liyu.web.actor import actor_of, require_permission
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.consent_words import CONSENT_PURPOSES
from liyu.web.console.common import AnyRequest, name_people, now_of, show
from liyu.web.forms import ChoiceField, Form, TextField
from liyu.web.pages import Page, leave_notice, redirect

PATH = "/consents"


class WordingForm(Form):
    purpose = ChoiceField(PURPOSES, N_("Purpose"))
    text_zh = TextField(N_("Text in Chinese"), maximum=LONGEST_TEXT)
    text_en = TextField(N_("Text in English"), maximum=LONGEST_TEXT)


@get(PATH, guards=[require_permission("members.read")])
async def show_consents(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All wordings."""
    return await _show(request, session, WordingForm.blank())


@post(PATH, guards=[require_permission("consents.edit")])
async def publish(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Publish a new wording: whoever agreed to the one before is asked anew."""
    form, connection = await WordingForm.read(request), await driver_connection(session)
    actor, version = actor_of(request).reference, None
    if form.is_valid:
        act = publish_text(connection, form.purpose, form.text_zh, form.text_en, actor=actor, now=now_of(request))
        version = await carry_out(connection, form, act)
    if version is None:
        return await _show(request, session, form, status=422)
    await record_act(request, session, "consent.publish", f"consent:{form.purpose}", after={"version": version})
    leave_notice(request, Message(N_("Version %(version)s is published."), {"version": version}))
    return redirect(request, f"/console{PATH}")


async def _show(request: AnyRequest, session: AsyncSession, form: Form, status: int = 200) -> Page:
    connection = await driver_connection(session)
    wordings = await list_wordings(connection)
    return show(
        request,
        "consents",
        status=status,
        form=form,
        purposes=CONSENT_PURPOSES,
        groups=[(purpose, [one for one in wordings if one.purpose == purpose]) for purpose in PURPOSES],
        names=await name_people(connection, [one.published_by for one in wordings]),
    )


ROUTES = [show_consents, publish]
