"""The program's rules of vouchers: when members are told that one runs out, how they are given away, how many one extends alone."""

from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.core.database import fetch_one


class VoucherRules(Struct, frozen=True):
    """The rules as the table `voucher_rule` explains them."""

    reminder_days: int = 7
    gift_days: int = 7
    gifts_a_day: int = 10
    extensions_alone: int = 100


DEFAULT_RULES = VoucherRules()

_COLUMNS = VoucherRules.__struct_fields__


async def load_rules(connection: AsyncConnection[Any]) -> VoucherRules:
    """The rules in force; the default ones until somebody changes them."""
    return await fetch_one(connection, VoucherRules, f"SELECT {', '.join(_COLUMNS)} FROM voucher_rule") or DEFAULT_RULES


async def save_rules(connection: AsyncConnection[Any], rules: VoucherRules, now: datetime) -> None:
    """Change the rules; gifts on their way keep their time. Bounds are the form's, and the table's CHECK."""
    columns = (*_COLUMNS, "changed_at")
    await connection.execute(
        f"INSERT INTO voucher_rule (id, {', '.join(columns)}) VALUES (1, {', '.join(f'%({name})s' for name in columns)}) "
        f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns)}",
        {**structs.asdict(rules), "changed_at": now},
    )
