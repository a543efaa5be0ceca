"""The program's rules of orders: when parcels count as received, until when goods may be given back, when things are due."""

from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.core.database import fetch_one


class OrderRules(Struct, frozen=True):
    """The rules as the table `order_rule` explains them."""

    received_after_days: int = 10
    return_days: int = 7
    decide_hours: int = 48
    send_back_days: int = 7
    cancel_unsent_days: int | None = None


DEFAULT_RULES = OrderRules()
"""As Chinese malls do it: seven days to give back, ten until a parcel counts as received."""

_COLUMNS = OrderRules.__struct_fields__


async def load_rules(connection: AsyncConnection[Any]) -> OrderRules:
    """The rules in force; the default ones until somebody changes them."""
    return await fetch_one(connection, OrderRules, f"SELECT {', '.join(_COLUMNS)} FROM order_rule") or DEFAULT_RULES


async def save_rules(connection: AsyncConnection[Any], rules: OrderRules, now: datetime) -> None:
    """Change the rules; deadlines that were told already stay. Bounds are the form's, and the table's CHECK."""
    columns = (*_COLUMNS, "changed_at")
    await connection.execute(
        f"INSERT INTO order_rule (id, {', '.join(columns)}) VALUES (1, {', '.join(f'%({name})s' for name in columns)}) "
        f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns)}",
        {**structs.asdict(rules), "changed_at": now},
    )
