"""What becomes of places and offers when members are merged."""

from typing import Any

from psycopg import AsyncConnection

# Where both wait for the same drop, the earlier place stays; the other is given up, so that nobody stands in line twice.
_GIVE_UP = """
    UPDATE drop_entry e SET state = 'left' FROM drop_entry o
    WHERE e.state = 'waiting' AND o.state IN ('waiting', 'offered') AND o.drop_id = e.drop_id
        AND ((e.member_id = %(source)s AND o.member_id = %(target)s) OR (e.member_id = %(target)s AND o.member_id = %(source)s))
        AND (o.state = 'offered' OR o.id < e.id)"""
_LAPSE = """
    UPDATE drop_entry e SET state = 'lapsed' FROM drop_entry o
    WHERE e.state = 'offered' AND o.state = 'offered' AND o.drop_id = e.drop_id AND o.id <> e.id
        AND e.member_id = %(source)s AND o.member_id = %(target)s"""
_MOVE = "UPDATE {table} SET member_id = %(target)s WHERE member_id = %(source)s"


async def move_places(connection: AsyncConnection[Any], *, source: int, target: int) -> None:
    """Give one member's places on waiting lists and the units kept for them to another: a part of merging."""
    values = {"source": source, "target": target}
    for statement in (_GIVE_UP, _LAPSE, _MOVE.format(table="drop_entry"), _MOVE.format(table="drop_offer")):
        await connection.execute(statement, values)
