"""Who is signed in, and the guards that ask for it. A guard proves the role; the query proves the ownership."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from litestar.handlers import BaseRouteHandler

from liyu.core.access.errors import SignInRequiredError
from liyu.core.access.models import MEMBER, OPERATOR, PARTNER
from liyu.core.access.roles import NO_PERMISSIONS
from liyu.core.errors import NotAllowedError
from liyu.web.visit import AnyConnection, visit_of

Guard = Callable[[AnyConnection, BaseRouteHandler], Awaitable[None]]
"""Guards are coroutines because Litestar runs plain functions in a thread, which costs more than the guard."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The person behind a request. `member_id` or `staff_id` is set, never both."""

    audience: str
    session_hash: bytes
    name: str
    locale: str | None
    member_id: int | None = None
    staff_id: int | None = None
    email: str | None = None
    partner_id: int | None = None
    partner_name_zh: str = ""
    partner_name_en: str = ""
    store_id: int | None = None
    role: str | None = None
    permissions: frozenset[str] = NO_PERMISSIONS
    has_news: bool = False
    """Whether a member has been told something that they have not read."""

    @property
    def reference(self) -> str:
        """How ledgers and logs name this person: `member:12` or `staff:3`."""
        return f"member:{self.member_id}" if self.member_id is not None else f"staff:{self.staff_id}"

    def may(self, permission: str) -> bool:
        """Whether the person's role covers this."""
        return permission in self.permissions


def actor_of(connection: AnyConnection) -> Actor:
    """Who is signed in. Raises SignInRequiredError when nobody is."""
    actor = visit_of(connection).actor
    if actor is None:
        raise SignInRequiredError
    return actor


async def require_member(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard: a member is signed in."""
    _require(connection, MEMBER)


async def require_partner(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard: someone of a partner's staff is signed in."""
    _require(connection, PARTNER)


async def require_operator(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard: someone of the operator's staff is signed in."""
    _require(connection, OPERATOR)


def require_permission(permission: str) -> Guard:
    """A guard: the role of the person who is signed in covers `permission`."""

    async def check(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
        if not actor_of(connection).may(permission):
            raise NotAllowedError

    return check


def _require(connection: AnyConnection, audience: str) -> None:
    if actor_of(connection).audience != audience:
        raise SignInRequiredError
