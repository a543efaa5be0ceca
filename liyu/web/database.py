"""The unit of work of a request: committed after the page is rendered and before its first byte is sent."""

from collections.abc import AsyncGenerator

from litestar.datastructures import State
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.web.services import Services


async def provide_session(state: State) -> AsyncGenerator[AsyncSession, None]:
    """One transaction for the handler; nothing slow (mail, payment, PDF) may happen inside it."""
    services: Services = state.services
    session = services.sessions()
    try:
        yield session
    # Litestar throws the handler's own exception in here and answers it afterwards; raising it again would hide it.
    except BaseException:  # noqa: BLE001
        await session.rollback()
    else:
        await session.commit()
    finally:
        await session.close()
