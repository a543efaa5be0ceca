"""Bearer keys with scopes. A key is looked up once in a few seconds per process, since tills and hosts ask often."""

import asyncio
import time

from liyu.core.access.errors import ApiKeyRequiredError, ScopeMissingError
from liyu.core.access.keys import ApiCaller, authenticate_api_key
from liyu.core.errors import NotAllowedError
from liyu.core.i18n import N_
from liyu.core.sealing import hash_token
from liyu.web.services import Services, services_of
from liyu.web.visit import AnyConnection, visit_of

REMEMBER_SECONDS = 3.0
_MOST_REMEMBERED = 1000
_SCHEME = "bearer "

SCOPE = "scope"
FOR_PARTNERS = "for_partners"
"""Options of a handler: what its key must have been made for, and whether partners' keys are let in."""


class KeyMemory:
    """The keys that were good a moment ago. A revoked key works on for `REMEMBER_SECONDS` at most."""

    def __init__(self) -> None:
        self._callers: dict[bytes, tuple[float, ApiCaller]] = {}
        self._asking: dict[bytes, asyncio.Task[ApiCaller | None]] = {}

    async def find(self, services: Services, key: str) -> ApiCaller | None:
        """Who has this key; None when it is unknown or revoked."""
        key_hash = hash_token(key)
        known = self._callers.get(key_hash)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        # In a rush hundreds of requests find the memory out of date at once: one of them asks, the others wait for it.
        asking = self._asking.get(key_hash)
        if asking is None:
            asking = self._asking[key_hash] = asyncio.create_task(self._ask(services, key, key_hash))
            asking.add_done_callback(lambda _: self._asking.pop(key_hash, None))
        return await asyncio.shield(asking)

    async def _ask(self, services: Services, key: str, key_hash: bytes) -> ApiCaller | None:
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
    """The key behind the request; the guard `require_api_key` has found it."""
    caller = visit_of(connection).caller
    if caller is None:
        raise ApiKeyRequiredError
    return caller


async def require_api_key(connection: AnyConnection) -> None:
    """What stands before every call of the API: the request carries a valid key that was made for the call (`calls.route`).

    It is a hook and no guard, since Litestar copies the handler for each guard, which costs more than all that is asked here.
    Raises ApiKeyRequiredError, ScopeMissingError or PartnerKeyError.
    """
    visit = visit_of(connection)
    header = visit.header(b"authorization")
    if header[: len(_SCHEME)].lower() != _SCHEME:
        raise ApiKeyRequiredError
    memory: KeyMemory = connection.app.state.key_memory
    caller = visit.caller = await memory.find(services_of(connection.app), header[len(_SCHEME) :].strip())
    if caller is None:
        raise ApiKeyRequiredError
    options = connection.route_handler.opt
    scope = options.get(SCOPE)
    if scope is not None and not caller.may(scope):
        raise ScopeMissingError(scope=scope)
    if caller.partner_id is not None and not options.get(FOR_PARTNERS):
        raise PartnerKeyError


class PartnerKeyError(NotAllowedError):
    """The call reaches beyond what is a partner's own (docs/rules.md 16)."""

    message = N_("This API key belongs to a partner and reaches the partner's own only.")
