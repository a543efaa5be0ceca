"""Carrying out what a form asks for, so that a refusal is shown in the form and changes nothing."""

from collections.abc import Awaitable
from typing import Any

from psycopg import AsyncConnection

from liyu.core.errors import DomainError, InvalidInputError, NotAllowedError, NotFoundError
from liyu.web.forms import Form


async def carry_out(connection: AsyncConnection[Any], form: Form, act: Awaitable[Any]) -> bool:
    """Do something in a savepoint; whether it was done. A refusal undoes it and becomes faults of the form."""
    try:
        async with connection.transaction():
            await act
    except (NotFoundError, NotAllowedError):
        raise
    except InvalidInputError as refusal:
        if not form.adopt(refusal):
            form.refuse(refusal.text)
    except DomainError as refusal:
        form.refuse(refusal.text)
    return form.is_valid
