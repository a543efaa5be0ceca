"""Carrying out what a form asks for, so that a refusal changes nothing and is shown on the page in hand."""

from collections.abc import Awaitable
from typing import Any

from psycopg import AsyncConnection

from liyu.core.errors import DomainError, InvalidInputError, NotAllowedError, NotFoundError
from liyu.web.forms import Form


async def try_act(connection: AsyncConnection[Any], act: Awaitable[Any]) -> DomainError | None:
    """Do something in a savepoint; a refusal undoes it and is given back, for the page in hand to say."""
    try:
        async with connection.transaction():
            await act
    except (NotFoundError, NotAllowedError):
        raise
    except DomainError as refusal:
        return refusal
    return None


def adopt_faults(form: Form, refusal: DomainError | None) -> DomainError | None:
    """Hand faults that the domain found in single fields to the form; what is left is a refusal of the page."""
    if not isinstance(refusal, InvalidInputError):
        return refusal
    return None if form.adopt(refusal) else refusal


async def carry_out(connection: AsyncConnection[Any], form: Form, act: Awaitable[Any]) -> bool:
    """Do something in a savepoint; whether it was done. A refusal undoes it and becomes faults of the form."""
    refusal = adopt_faults(form, await try_act(connection, act))
    if refusal is not None:
        form.refuse(refusal.text)
    return form.is_valid
