"""What a call of the API is: its scope, what it takes and gives, how it may refuse. The guard and the OpenAPI document read it."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from liyu.web.api.auth import FOR_PARTNERS, SCOPE
from liyu.web.shortcut import SHORTCUT

OPTION = "call"

COMMON_PROBLEMS = (401, 403, 429, 503)
"""Refusals that every call may answer with."""


class Call(Struct, frozen=True, kw_only=True):
    """One call as its users see it."""

    scope: str
    summary: str
    description: str
    answers: dict[int, type[Struct]]
    body: type[Struct] | None = None
    body_is_list_of: type[Struct] | None = None
    """Of what the bare array consists that is taken instead of the body."""
    query: type[Struct] | None = None
    path: dict[str, str] = {}
    """The parameters in the path, with what they are."""
    idempotency_key: bool | None = None
    """Whether the header is needed (True), honoured (False) or ignored (None)."""
    problems: Mapping[int, Sequence[str]] = {}
    """The codes of the refusals of its own, by status."""
    example: Any = None
    """An answer."""
    tag: str


def route(call: Call, *, for_partners: bool = False, shortcut: bool = False) -> dict[str, Any]:
    """The arguments of the route decorator for a call; partners' keys are let in where the handler keeps them to their own."""
    return {
        "opt": {OPTION: call, SCOPE: call.scope, FOR_PARTNERS: for_partners, SHORTCUT: shortcut},
        "include_in_schema": False,
    }
