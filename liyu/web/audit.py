from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core import audit
from liyu.web.actor import actor_of
from liyu.web.visit import AnyConnection, visit_of


async def record_act(
    connection: AnyConnection,
    session: AsyncSession,
    action: str,
    object: str,  # noqa: A002 - the column's own word
    *,
    actor: str | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write the audit event of what the person who is signed in does, in the same transaction. Pass no secrets."""
    visit = visit_of(connection)
    await audit.record(
        session,
        at=visit.services.clock.now(),
        actor=actor or actor_of(connection).reference,
        action=action,
        object=object,
        before=before,
        after=after,
        request_id=visit.request_id,
        address=visit.address,
    )
