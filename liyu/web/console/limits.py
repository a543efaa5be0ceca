"""What one person may do alone: above these figures a second person decides. Those who are bound by them do not set them."""

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.program import load_terms, save_limits
from liyu.vouchers.rules import load_rules
from liyu.vouchers.till_rules import load_undo_limit
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, show
from liyu.web.forms import Form, IntegerField
from liyu.web.pages import Page, leave_notice, redirect

HOME = "/console/limits"
READ, EDIT = "limits.read", "limits.edit"
_MOST_POINTS = 10_000_000
_MOST_UNITS = 200_000


class LimitsForm(Form):
    adjustment_limit = IntegerField(N_("Points to or from one member a day"), minimum=0, maximum=_MOST_POINTS)
    issue_limit = IntegerField(N_("Units given away a day"), minimum=0, maximum=_MOST_UNITS)


@get("/limits", guards=[require_permission(READ)])
async def show_limits(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The limits in force."""
    return await _show(request, session)


@post("/limits", guards=[require_permission(EDIT)])
async def change_limits(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Change them from now on; what waits for a second person goes on waiting."""
    form = await LimitsForm.read(request)
    if not form.is_valid:
        return await _show(request, session, form)
    connection = await driver_connection(session)
    terms = await load_terms(connection)
    before = {name: getattr(terms, name) for name in LimitsForm.fields}
    await save_limits(connection, adjustment_limit=form.adjustment_limit, issue_limit=form.issue_limit)
    await record_act(request, session, "program.limits", "program:1", before=before, after=dict(form.values))
    leave_notice(request, N_("The limits hold from now on. What waits for a second person goes on waiting."))
    return redirect(request, HOME)


async def _show(request: AnyRequest, session: AsyncSession, form: LimitsForm | None = None) -> Page:
    connection = await driver_connection(session)
    terms = await load_terms(connection)
    limits = {name: str(getattr(terms, name)) for name in LimitsForm.fields}
    return show(
        request,
        "limits",
        status=422 if form else 200,
        form=form or LimitsForm.blank(**limits),
        may_edit=actor_of(request).may(EDIT),
        terms=terms,
        extensions_alone=(await load_rules(connection)).extensions_alone,
        undo_alone_minor=await load_undo_limit(connection),
    )


ROUTES = [show_limits, change_limits]
