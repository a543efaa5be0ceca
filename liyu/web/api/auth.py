"""Bearer keys with scopes. A key is looked up once in a few seconds per process, since tills and hosts ask often."""

import time

from litestar.handlers import BaseRouteHandler

from liyu.core.access.errors import ApiKeyRequiredError, ScopeMissingError
from liyu.core.access.keys import ApiCaller, authenticate_api_key
from liyu.core.errors import NotAllowedError
from liyu.core.i18n import N_
from liyu.core.sealing import hash_token
from liyu.web.actor import Guard
from liyu.web.services import Services, services_of
from liyu.web.visit import AnyConnection, visit_of

REMEMBER_SECONDS = 3.0
_MOST_REMEMBERED = 1000
_SCHEME = "bearer "


class KeyMemory:
    """The keys that were good a moment ago. A revoked key works on for `REMEMBER_SECONDS` at most."""

    def __init__(self) -> None:
        self._callers: dict[bytes, tuple[float, ApiCaller]] = {}

    async def find(self, services: Services, key: str) -> ApiCaller | None:
        """Who has this key; None when it is unknown or revoked."""
        key_hash = hash_token(key)
        known = self._callers.get(key_hash)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with services.sessions() as session:
            caller = await authenticate_api_key(session, key)
        if len(self._callers) >= _MOST_REMEMBERED:
            self._callers.clear()
        if caller is None:
            self._callers.pop(key_hash, None)
        else:
            self._callers[key_hash] = (time.monotonic() + REMEMBER_SECONDS, caller)
        return caller


def caller_of(connection: AnyConnection) -> ApiCaller:
    """The key behind the request, behind a guard of `require_scope`."""
    caller = visit_of(connection).caller
    if caller is None:
        raise ApiKeyRequiredError
    return caller


async def require_api_key(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard: the request carries a valid key. For the router of the whole API; handlers add `require_scope`."""
    visit = visit_of(connection)
    header = visit.header(b"authorization")
    if header[: len(_SCHEME)].lower() != _SCHEME:
        raise ApiKeyRequiredError
    memory: KeyMemory = connection.app.state.key_memory
    visit.caller = await memory.find(services_of(connection.app), header[len(_SCHEME) :].strip())
    if visit.caller is None:
        raise ApiKeyRequiredError


def require_scope(scope: str) -> Guard:
    """A guard: the key was made for `scope` (`redemptions:write`); a key with `all` may do everything."""

    # Litestar runs guards that are not coroutines in threads, which costs more than the whole call.
    async def check(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
        if not caller_of(connection).may(scope):
            raise ScopeMissingError(scope=scope)

    return check


class PartnerKeyError(NotAllowedError):
    """The call reaches beyond what is a partner's own."""

    message = N_("This API key belongs to a partner and reaches the partner's own only.")


async def refuse_partner_keys(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """A guard for calls about members and their points: partners' keys stay outside (DESIGN rule 16)."""
    if caller_of(connection).partner_id is not None:
        raise PartnerKeyError
