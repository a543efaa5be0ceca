"""Writing tags: making and changing them, giving and taking them by hand, and letting rules give and take theirs."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, convert, to_builtins
from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from liyu.members.errors import MemberClosedError, UnknownMemberError
from liyu.members.tags.conditions import Conditions, compile_conditions
from liyu.members.tags.errors import NameTakenError, TagByRuleError, UnknownTagError

BY_HAND = "by_hand"
BY_RULE = "by_rule"
RULE_ACTOR = "system"


class TagFacts(Struct, kw_only=True):
    """What people say of a tag. Whether a rule gives it is settled when it is made."""

    code: str
    name_zh: str
    name_en: str = ""
    is_badge: bool = False
    icon: str = "tag"
    needs_zh: str = ""
    needs_en: str = ""
    rule: Conditions | None = None


class Evaluated(Struct):
    """What rules gave and took."""

    given: int = 0
    taken: int = 0


_MAKE = """
    INSERT INTO tag (code, name_zh, name_en, is_badge, icon, needs_zh, needs_en, by_rule, rule, active, created_at)
    VALUES (%(code)s, %(name_zh)s, %(name_en)s, %(is_badge)s, %(icon)s, %(needs_zh)s, %(needs_en)s, %(by_rule)s, %(rule)s, true,
        %(now)s) RETURNING id"""

_EDIT = """
    UPDATE tag SET name_zh = %(name_zh)s, name_en = %(name_en)s, icon = %(icon)s, needs_zh = %(needs_zh)s,
        needs_en = %(needs_en)s, rule = CASE WHEN by_rule THEN coalesce(%(rule)s, rule) END
    WHERE code = %(code)s RETURNING id"""

_GIVE = """
    INSERT INTO member_tag (member_id, tag_id, by_rule, actor, at) VALUES (%(member)s, %(tag)s, false, %(actor)s, %(now)s)
    ON CONFLICT DO NOTHING"""

_NOTE = """
    INSERT INTO member_tag_change (member_id, tag_id, given, reason, actor, at)
    VALUES (%(member)s, %(tag)s, %(given)s, %(reason)s, %(actor)s, %(now)s)"""

_FIND_MEMBER = """
    SELECT m.id, m.state FROM member k JOIN member m ON m.id = coalesce(k.merged_into, k.id)
    JOIN account a ON a.member_id = m.id AND a.kind = 'member_points' WHERE k.external_id = %s FOR UPDATE OF a"""

_RULE_GIVES = """
    WITH given AS (
        INSERT INTO member_tag (member_id, tag_id, by_rule, actor, at)
        SELECT m.id, %(tag)s, true, %(actor)s, %(now)s FROM {tables}
        WHERE {predicate} AND NOT EXISTS (SELECT FROM member_tag o WHERE o.member_id = m.id AND o.tag_id = %(tag)s)
        ON CONFLICT DO NOTHING RETURNING member_id)
    INSERT INTO member_tag_change (member_id, tag_id, given, reason, actor, at)
    SELECT member_id, %(tag)s, true, %(reason)s, %(actor)s, %(now)s FROM given"""

_RULE_TAKES = """
    WITH fitting AS (SELECT m.id FROM {tables} WHERE {predicate}),
    taken AS (
        DELETE FROM member_tag o WHERE o.tag_id = %(tag)s AND NOT EXISTS (SELECT FROM fitting f WHERE f.id = o.member_id)
        RETURNING member_id)
    INSERT INTO member_tag_change (member_id, tag_id, given, reason, actor, at)
    SELECT member_id, %(tag)s, false, %(reason)s, %(actor)s, %(now)s FROM taken"""


async def make_tag(connection: AsyncConnection[Any], facts: TagFacts, *, now: datetime) -> int:
    """Make a tag or a badge, in the caller's transaction. Raises NameTakenError."""
    try:
        async with connection.transaction():
            row = await (await connection.execute(_MAKE, _values(facts) | {"now": now})).fetchone()
    except UniqueViolation:
        raise NameTakenError from None
    assert row is not None
    return int(row[0])


async def edit_tag(connection: AsyncConnection[Any], facts: TagFacts) -> None:
    """Change what is said of a tag, and the rule of one that has a rule. Raises UnknownTagError."""
    if await (await connection.execute(_EDIT, _values(facts))).fetchone() is None:
        raise UnknownTagError


async def set_active(connection: AsyncConnection[Any], code: str, *, active: bool) -> None:
    """Retire a tag, or take it up again: who has it keeps it, nobody gets it meanwhile. Raises UnknownTagError."""
    done = await connection.execute("UPDATE tag SET active = %s WHERE code = %s", (active, code))
    if not done.rowcount:
        raise UnknownTagError


async def set_member_tag(
    connection: AsyncConnection[Any],
    external_id: str,
    code: str,
    *,
    given: bool,
    actor: str,
    now: datetime,
    reason: str = BY_HAND,
) -> bool:
    """Give or take a tag by hand, in the caller's transaction; whether anything changed.

    Raises UnknownMemberError, UnknownTagError, MemberClosedError, or TagByRuleError.
    """
    member = await (await connection.execute(_FIND_MEMBER, (external_id,))).fetchone()
    if member is None:
        raise UnknownMemberError
    if member[1] == "closed":
        raise MemberClosedError
    tag = await (await connection.execute("SELECT id, by_rule FROM tag WHERE code = %s", (code,))).fetchone()
    if tag is None:
        raise UnknownTagError
    if tag[1]:
        raise TagByRuleError
    values = {"member": member[0], "tag": tag[0], "given": given, "reason": reason, "actor": actor, "now": now}
    take = "DELETE FROM member_tag WHERE member_id = %(member)s AND tag_id = %(tag)s"
    done = await connection.execute(_GIVE if given else take, values)
    if done.rowcount:
        await connection.execute(_NOTE, values)
    return bool(done.rowcount)


async def evaluate_rules(
    connection: AsyncConnection[Any],
    today: date,
    *,
    now: datetime,
    zone: ZoneInfo,
    code: str | None = None,
    report: Callable[[str], None] | None = None,
) -> Evaluated:
    """Let the rules of active tags give and take, one transaction each; a badge that was earned stays.

    The connection is in autocommit. Running it again changes nothing.
    """
    total = Evaluated()
    found = await connection.execute(
        "SELECT id, code FROM tag WHERE by_rule AND active AND (%(code)s::text IS NULL OR code = %(code)s) ORDER BY id",
        {"code": code},
    )
    for tag_id, name in await found.fetchall():
        async with connection.transaction():
            await _evaluate(connection, tag_id, today, now, zone, total)
        if report is not None:
            report(name)
    return total


async def _evaluate(
    connection: AsyncConnection[Any], tag_id: int, today: date, now: datetime, zone: ZoneInfo, total: Evaluated
) -> None:
    # The lock keeps two evaluations of one tag apart, and the rule from being changed half-way.
    row = await (
        await connection.execute("SELECT rule, is_badge FROM tag WHERE id = %s FOR UPDATE", (tag_id,))
    ).fetchone()
    assert row is not None
    compiled = compile_conditions(convert(row[0], Conditions), today, zone)
    values = {**compiled.values, "tag": tag_id, "reason": BY_RULE, "actor": RULE_ACTOR, "now": now}
    shape = {"tables": compiled.tables, "predicate": compiled.predicate}
    total.given += (await connection.execute(_RULE_GIVES.format(**shape), values)).rowcount
    if not row[1]:
        total.taken += (await connection.execute(_RULE_TAKES.format(**shape), values)).rowcount
    await connection.execute("UPDATE tag SET evaluated_at = %s WHERE id = %s", (now, tag_id))


def _values(facts: TagFacts) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(facts, name) for name in facts.__struct_fields__}
    rule = facts.rule
    return values | {"by_rule": rule is not None, "rule": Jsonb(to_builtins(rule)) if rule is not None else None}
