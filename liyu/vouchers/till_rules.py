"""What tills go by beside a voucher's validity: the program's policy, and rules of single items."""

from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import NotFoundError


class ItemRule(Struct):
    """When and how often vouchers of an item may be used; None is nothing."""

    sku: str
    name_zh: str
    name_en: str
    usable_from: datetime | None
    uses_a_day: int | None
    member_uses_a_day: int | None
    store_uses_a_day: int | None
    paper_confirmed: bool = False
    """Whether the holder confirms in the wallet what is used by a code that does not renew."""

    @property
    def says_nothing(self) -> bool:
        """Whether it is no rule at all."""
        figures = (self.usable_from, self.uses_a_day, self.member_uses_a_day, self.store_uses_a_day)
        return figures == (None,) * 4 and not self.paper_confirmed


_RULES = """
    SELECT i.sku, i.name_zh, i.name_en, t.usable_from, t.uses_a_day, t.member_uses_a_day, t.store_uses_a_day,
        t.paper_confirmed
    FROM till_rule t JOIN item i ON i.id = t.item_id ORDER BY i.sku"""
_RULE = """
    SELECT i.sku, i.name_zh, i.name_en, t.usable_from, t.uses_a_day, t.member_uses_a_day, t.store_uses_a_day,
        coalesce(t.paper_confirmed, false) AS paper_confirmed
    FROM item i LEFT JOIN till_rule t ON t.item_id = i.id WHERE i.sku = %s AND i.kind IN ('coupon', 'partner_right')"""
_SAVE_RULE = """
    INSERT INTO till_rule (item_id, usable_from, uses_a_day, member_uses_a_day, store_uses_a_day, paper_confirmed)
    SELECT id, %(usable_from)s, %(uses_a_day)s, %(member_uses_a_day)s, %(store_uses_a_day)s, %(paper_confirmed)s
    FROM item WHERE sku = %(sku)s
    ON CONFLICT (item_id) DO UPDATE SET usable_from = excluded.usable_from, uses_a_day = excluded.uses_a_day,
        member_uses_a_day = excluded.member_uses_a_day, store_uses_a_day = excluded.store_uses_a_day,
        paper_confirmed = excluded.paper_confirmed"""


async def load_undo_limit(connection: AsyncConnection[Any]) -> int | None:
    """Up to which value, in minor units, whoever verified may take it back themselves; None is any."""
    row = await (await connection.execute("SELECT undo_alone_minor FROM till_policy")).fetchone()
    return row[0] if row else None


async def save_undo_limit(connection: AsyncConnection[Any], undo_alone_minor: int | None) -> None:
    """Change it from now on."""
    await connection.execute(
        "INSERT INTO till_policy (id, undo_alone_minor) VALUES (1, %s) "
        "ON CONFLICT (id) DO UPDATE SET undo_alone_minor = excluded.undo_alone_minor",
        (undo_alone_minor,),
    )


async def list_item_rules(connection: AsyncConnection[Any]) -> list[ItemRule]:
    """All items that have a rule."""
    return await fetch_all(connection, ItemRule, _RULES)


async def find_item_rule(connection: AsyncConnection[Any], sku: str) -> ItemRule:
    """The rule of an item, which may say nothing. Raises NotFoundError for an item that gives no vouchers."""
    rule = await fetch_one(connection, ItemRule, _RULE, (sku,))
    if rule is None:
        raise NotFoundError
    return rule


async def save_item_rule(connection: AsyncConnection[Any], rule: ItemRule) -> None:
    """Change an item's rule from now on, also for vouchers that are out; one that says nothing goes."""
    if rule.says_nothing:
        await connection.execute(
            "DELETE FROM till_rule t USING item i WHERE i.id = t.item_id AND i.sku = %s", (rule.sku,)
        )
        return
    await connection.execute(_SAVE_RULE, structs.asdict(rule))
