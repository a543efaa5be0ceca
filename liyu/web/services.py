"""What a process has for as long as it serves: opened when it starts, closed when it stops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from liyu.catalog.keeper import SnapshotKeeper
from liyu.catalog.storefront import StorefrontKeeper
from liyu.core.clock import Clock
from liyu.core.database import Sessions, make_engine, make_sessions
from liyu.core.settings import Settings
from liyu.redemption.desk import Desk
from liyu.redemption.drops.keeper import DropKeeper
from liyu.redemption.fulfil import complete_when_used_up
from liyu.redemption.payments.provider import Provider, make_provider
from liyu.vouchers.codes import Codes
from liyu.vouchers.desk import VerifyDesk
from liyu.vouchers.pdf import PdfMaker
from liyu.vouchers.tokens import Tokens
from liyu.web.program import ProgramCache
from liyu.web.reader import Reader
from liyu.web.sessions import Members, gather_members


@dataclass(slots=True)
class Services:
    """The process-wide services; `app.state.services` and, in handlers, the dependency `services`."""

    settings: Settings
    clock: Clock
    engine: AsyncEngine
    sessions: Sessions
    desk: Desk
    till: VerifyDesk
    catalog: SnapshotKeeper
    storefront: StorefrontKeeper
    drops: DropKeeper
    tokens: Tokens
    reader: Reader
    members: Members
    """Finds who is signed in to the mall, with their account."""
    payments: Provider | None = None
    """None where no payment provider is connected; then nothing with a cash part can be redeemed."""
    pdf: PdfMaker = field(default_factory=PdfMaker)
    program: ProgramCache = field(default_factory=ProgramCache)

    @property
    def codes(self) -> Codes:
        """Voucher codes."""
        return self.tokens.codes


def make_services(settings: Settings, clock: Clock) -> Services:
    """The services of a process, not open yet: nothing here touches the network."""
    if settings.database_url is None:
        raise ValueError("settings.database_url must be set before the web process starts")
    engine = make_engine(settings.database_url)
    payments = make_provider(settings)
    desk = Desk(settings.database_url, clock, settings.timezone, payments_available=payments is not None)
    reader = Reader(settings.database_url)
    tokens = Tokens(settings.secret_key, settings.voucher_keys)
    return Services(
        settings=settings,
        clock=clock,
        engine=engine,
        sessions=make_sessions(engine),
        desk=desk,
        till=VerifyDesk(settings.database_url, clock, settings.timezone, tokens, complete_when_used_up),
        catalog=SnapshotKeeper(settings.database_url, clock),
        storefront=StorefrontKeeper(settings.database_url),
        drops=DropKeeper(settings.database_url, clock, desk),
        tokens=tokens,
        reader=reader,
        members=gather_members(reader, clock, settings.timezone),
        payments=payments,
    )


@asynccontextmanager
async def open_services(services: Services) -> AsyncIterator[None]:
    """Open what pages need at once, and let go of the database at the end. Raises psycopg's OperationalError without one."""
    try:
        await services.program.refresh(services.sessions)
        async with (
            _open(services.desk),
            _open(services.till),
            _open(services.catalog),
            _open(services.storefront),
            _open(services.drops),
        ):
            yield
    finally:
        await services.program.close()
        await asyncio.to_thread(services.pdf.close)
        await services.reader.close()
        await services.engine.dispose()


@asynccontextmanager
async def _open(service: Desk | VerifyDesk | SnapshotKeeper | StorefrontKeeper | DropKeeper) -> AsyncIterator[None]:
    await service.open()
    try:
        yield
    finally:
        await service.close()


def services_of(app: Any) -> Services:
    """The services of a Litestar application."""
    services: Services = app.state.services
    return services
