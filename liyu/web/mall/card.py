"""The membership card: its number, reporting it lost, which blocks it at once, and having another one issued."""

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.account import load_account
from liyu.members.cards import BLOCKED, CardLine, block_card, issue_card, list_card_changes
from liyu.web.actor import actor_of
from liyu.web.card_words import LOSSES
from liyu.web.forms import ChoiceField, Form
from liyu.web.i18n import gettext, translate
from liyu.web.mall.member import AnyRequest, member_id_of, now_of, today_of
from liyu.web.pages import Page, leave_notice, page, redirect


class LossForm(Form):
    why = ChoiceField(LOSSES, N_("What happened?"))


@get("/card")
async def show_card(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The card that is valid, or how to get another one."""
    return await _show(request, session)


@post("/card/loss")
async def report_loss(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Block the number at once."""
    form, actor = await LossForm.read(request), actor_of(request)
    if not form.is_valid:
        return await _show(request, session, form=form, status=422)
    connection = await driver_connection(session)
    try:
        async with connection.transaction():
            number = await block_card(
                connection, member_id_of(actor), reason=form.why, actor=actor.reference, now=now_of(request)
            )
    except DomainError as refusal:
        return await _show(request, session, refusal=refusal, status=refusal.status)
    leave_notice(request, Message(N_("Card %(number)s is blocked from now on."), {"number": number}))
    return redirect(request, "/card")


@post("/card/new")
async def order_card(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Issue another number in the place of a blocked one."""
    actor, connection = actor_of(request), await driver_connection(session)
    try:
        async with connection.transaction():
            await issue_card(connection, member_id_of(actor), actor=actor.reference, now=now_of(request))
    except DomainError as refusal:
        return await _show(request, session, refusal=refusal, status=refusal.status)
    leave_notice(request, N_("Your new card is ready. Everything you have is on it."))
    return redirect(request, "/card")


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    *,
    form: LossForm | None = None,
    refusal: DomainError | None = None,
    status: int = 200,
) -> Page:
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    changes = await list_card_changes(connection, member_id)
    blocked = next((one for one in changes if one.change == BLOCKED), None)
    return page(
        request,
        "mall/card.html",
        status=status,
        tab="me",
        account=await load_account(connection, member_id, today_of(request)),
        blocked=blocked,
        losses=[(code, gettext(words)) for code, words in LOSSES.items()],
        changes=[_in_words(one) for one in changes],
        form=form or LossForm.blank(why="lost"),
        refusal=translate(refusal.text) if refusal else None,
    )


def _in_words(line: CardLine) -> dict[str, object]:
    is_blocked = line.change == BLOCKED
    words = N_("Card %(number)s blocked") if is_blocked else N_("Card %(number)s issued")
    reason = gettext(LOSSES[line.reason]) if line.reason in LOSSES else line.reason
    return {
        "text": translate(Message(words, {"number": line.number})),
        "when": line.at,
        "note": reason,
        "state": "red" if is_blocked else "",
    }


ROUTES = [show_card, report_loss, order_card]
