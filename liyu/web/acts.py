"""Carrying out what a form asks for, so that a refusal changes nothing and is shown on the page in hand."""

from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from psycopg import AsyncConnection

from liyu.core.errors import DomainError, InvalidInputError, NotAllowedError, NotFoundError
from liyu.web.forms import Form

Outcome = TypeVar("Outcome")


async def attempt(connection: AsyncConnection[Any], act: Awaitable[Outcome]) -> Outcome | DomainError:
    """Do something in a savepoint: what came of it, or the refusal that undid it, for the page in hand to say."""
    try:
        async with connection.transaction():
            return await act
    except (NotFoundError, NotAllowedError):
        raise
    except DomainError as refusal:
        return refusal


async def try_act(connection: AsyncConnection[Any], act: Awaitable[Any]) -> DomainError | None:
    """The same where nothing but a refusal matters."""
    outcome = await attempt(connection, act)
    return outcome if isinstance(outcome, DomainError) else None


def adopt_faults(form: Form, refusal: DomainError | None) -> DomainError | None:
    """Hand faults that the domain found in single fields to the form; what is left is a refusal of the page."""
    if not isinstance(refusal, InvalidInputError):
        return refusal
    return None if form.adopt(refusal) else refusal


async def carry_out(
    connection: AsyncConnection[Any],
    form: Form,
    act: Awaitable[Outcome],
    fields: Mapping[str, str] = MappingProxyType({}),
) -> Outcome | None:
    """Do what a form asks for, in a savepoint: what came of it, or None with faults in the form, if it was refused.

    `fields` says at which field a refusal is shown, by its code, where it does not name one itself.
    """
    outcome = await attempt(connection, act)
    if not isinstance(outcome, DomainError):
        return outcome
    refusal = adopt_faults(form, outcome)
    if refusal is not None:
        form.refuse(refusal.text, fields.get(refusal.code, ""))
    return None
