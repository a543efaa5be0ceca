"""Who looks at a page of the portal: someone of one partner's staff, perhaps bound to one of its stores."""

from datetime import date, datetime
from typing import Any

from litestar import Request
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.access.staff import list_staff
from liyu.core.clock import local_date
from liyu.core.i18n import N_
from liyu.vouchers.queries import VerificationLine
from liyu.web.actor import Actor, actor_of
from liyu.web.formats import current_zone
from liyu.web.i18n import gettext, text_of
from liyu.web.visit import visit_of

AnyRequest = Request[Any, Any, Any]

_KEYS = "key:"
_DEVICES = "device:"


def now_of(request: AnyRequest) -> datetime:
    """The present instant by the injected clock."""
    return visit_of(request).services.clock.now()


def today_of(request: AnyRequest) -> date:
    """Today in the program's time zone."""
    return local_date(now_of(request), current_zone())


def partner_id_of(actor: Actor) -> int:
    """The partner for whom the person works: the first argument of every query of the portal (docs/rules.md 16)."""
    assert actor.partner_id is not None
    return actor.partner_id


def undo_minutes_of(request: AnyRequest) -> int:
    """How long after a verification it can be taken back, in minutes."""
    services = visit_of(request).services
    return services.program.current(services.sessions).undo_minutes


def partner_name_of(actor: Actor) -> str:
    """The partner's name in the current language."""
    return text_of({"name_zh": actor.partner_name_zh, "name_en": actor.partner_name_en}, "name")


async def names_of_staff(request: AnyRequest, session: AsyncSession) -> dict[str, str]:
    """The names of the partner's people, by how verifications refer to them."""
    staff = await list_staff(session, partner_id_of(actor_of(request)))
    return {f"staff:{person.id}": person.name for person in staff}


def name_verifier(verifier: str, names: dict[str, str]) -> str:
    """Who verified, as the partner's people know them: a colleague, a till of their own, or the program's staff."""
    if verifier in names:
        return names[verifier]
    if verifier.startswith(_DEVICES):
        return gettext(N_("Device without a network"))
    return gettext(N_("Connected till")) if verifier.startswith(_KEYS) else gettext(N_("Operator"))


def store_name(line: VerificationLine) -> str:
    """The store of a verification in the current language; nothing where it was verified without one."""
    return text_of(line, "store") if line.store_zh else ""
