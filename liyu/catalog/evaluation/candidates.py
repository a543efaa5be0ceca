"""Candidates: rights that are not in the mall yet, and the members who would like them.

One vote for each member and candidate is the primary key of `candidate_vote`. A vote takes a share lock on its candidate, so
that nobody votes for one that has just been closed.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.catalog.errors import CandidateNotOpenError, StateNotReachableError
from liyu.catalog.evaluation.states import SHOWN, STATE_NAMES, TRANSITIONS
from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message

_LIST = """
    SELECT c.id, c.name_zh, c.name_en, c.summary_zh, c.summary_en, c.scene, c.partner, c.state, i.sku, c.made_by, c.made_at,
        (SELECT count(*) FROM candidate_vote v WHERE v.candidate_id = c.id) AS votes,
        EXISTS (SELECT FROM candidate_vote v WHERE v.candidate_id = c.id AND v.member_id = %(member)s) AS is_mine
    FROM right_candidate c LEFT JOIN item i ON i.id = c.item_id
    WHERE c.state = ANY(%(states)s) AND (%(id)s::bigint IS NULL OR c.id = %(id)s)
    ORDER BY array_position(%(states)s, c.state), votes DESC, c.id"""
_ADD = """
    WITH made AS (
        INSERT INTO right_candidate
            (name_zh, name_en, summary_zh, summary_en, scene, partner, state, made_by, made_at, changed_at)
        VALUES (%(name_zh)s, %(name_en)s, %(summary_zh)s, %(summary_en)s, %(scene)s, %(partner)s, 'open', %(actor)s, %(now)s,
            %(now)s) RETURNING id)
    INSERT INTO right_candidate_change (candidate_id, to_state, reason, actor, at)
    SELECT id, 'open', 'proposed', %(actor)s, %(now)s FROM made RETURNING candidate_id"""
_EDIT = """
    UPDATE right_candidate SET name_zh = %(name_zh)s, name_en = %(name_en)s, summary_zh = %(summary_zh)s,
        summary_en = %(summary_en)s, scene = %(scene)s, partner = %(partner)s, changed_at = %(now)s WHERE id = %(id)s"""
_MOVE = """
    WITH moved AS (
        UPDATE right_candidate SET state = %(wanted)s, changed_at = %(now)s,
            item_id = (SELECT id FROM item WHERE sku = %(sku)s AND %(wanted)s = 'listed') WHERE id = %(id)s RETURNING id)
    INSERT INTO right_candidate_change (candidate_id, from_state, to_state, reason, actor, at)
    SELECT id, %(state)s, %(wanted)s, %(reason)s, %(actor)s, %(now)s FROM moved"""
_VOTE = """
    INSERT INTO candidate_vote (candidate_id, member_id, at)
    SELECT id, %(member)s, %(now)s FROM right_candidate WHERE id = %(id)s AND state = 'open' FOR SHARE
    ON CONFLICT DO NOTHING"""
_TAKE_BACK = """
    DELETE FROM candidate_vote WHERE candidate_id = (
        SELECT id FROM right_candidate WHERE id = %(id)s AND state = 'open' FOR SHARE) AND member_id = %(member)s"""
_MOVE_VOTES = """
    WITH gone AS (DELETE FROM candidate_vote WHERE member_id = %(source)s RETURNING candidate_id, at)
    INSERT INTO candidate_vote (candidate_id, member_id, at) SELECT candidate_id, %(target)s, at FROM gone
    ON CONFLICT DO NOTHING"""
_CHANGES = """
    SELECT from_state, to_state, reason, actor, at FROM right_candidate_change WHERE candidate_id = %s ORDER BY id DESC"""


class Candidate(Struct, frozen=True):
    """A candidate with its votes, as one member or an operator sees it."""

    id: int
    name_zh: str
    name_en: str
    summary_zh: str
    summary_en: str
    scene: str
    partner: str
    state: str
    sku: str | None
    """The item that it became."""
    made_by: str
    made_at: datetime
    votes: int
    is_mine: bool
    """Whether the member who looks has voted for it."""


class CandidateFacts(Struct, frozen=True):
    """What an operator writes down of a candidate."""

    name_zh: str
    name_en: str
    summary_zh: str
    summary_en: str
    scene: str
    partner: str


class CandidateChange(Struct, frozen=True):
    """A change of state."""

    from_state: str | None
    to_state: str
    reason: str
    actor: str
    at: datetime


async def list_candidates(connection: AsyncConnection[Any], *, member_id: int | None = None) -> list[Candidate]:
    """Candidates by state, then by votes: all of them, or for a member those that members see."""
    states = list(SHOWN if member_id is not None else STATE_NAMES)
    return await _read(connection, {"states": states, "id": None, "member": member_id})


async def load_candidate(
    connection: AsyncConnection[Any], candidate_id: int, *, member_id: int | None = None
) -> Candidate:
    """One candidate. Raises NotFoundError, for a member also when members do not see it."""
    states = list(SHOWN if member_id is not None else STATE_NAMES)
    found = await _read(connection, {"states": states, "id": candidate_id, "member": member_id})
    if not found:
        raise NotFoundError
    return found[0]


async def list_changes(connection: AsyncConnection[Any], candidate_id: int) -> list[CandidateChange]:
    """What became of a candidate, the latest first."""
    return await fetch_all(connection, CandidateChange, _CHANGES, (candidate_id,))


async def add_candidate(connection: AsyncConnection[Any], facts: CandidateFacts, *, actor: str, now: datetime) -> int:
    """Propose a right; members can vote for it at once."""
    found = await connection.execute(_ADD, {**_values(facts), "actor": actor, "now": now})
    return int((await found.fetchone() or (0,))[0])


async def edit_candidate(
    connection: AsyncConnection[Any], candidate_id: int, facts: CandidateFacts, *, now: datetime
) -> None:
    """Say it better; votes stay. Raises NotFoundError."""
    if not (await connection.execute(_EDIT, {**_values(facts), "id": candidate_id, "now": now})).rowcount:
        raise NotFoundError


async def move_candidate(
    connection: AsyncConnection[Any],
    candidate_id: int,
    wanted: str,
    *,
    sku: str,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """Lead a candidate to another state; `sku` is the item that it became when it is listed.

    Raises NotFoundError, StateNotReachableError, or InvalidInputError when there is no such item.
    """
    found = await connection.execute("SELECT state FROM right_candidate WHERE id = %s FOR UPDATE", (candidate_id,))
    row = await found.fetchone()
    if row is None:
        raise NotFoundError
    if wanted not in TRANSITIONS[row[0]]:
        raise StateNotReachableError(state=Message(STATE_NAMES[row[0]]), wanted=Message(STATE_NAMES[wanted]))
    values: dict[str, Any] = {"id": candidate_id, "state": row[0], "wanted": wanted, "sku": sku, "reason": reason}
    if wanted == "listed":
        is_there = await connection.execute("SELECT 1 FROM item WHERE sku = %s", (sku,))
        if await is_there.fetchone() is None:
            raise InvalidInputError.of_fields({"sku": Message(N_("There is no such item."))})
    await connection.execute(_MOVE, {**values, "actor": actor, "now": now})


async def vote(connection: AsyncConnection[Any], member_id: int, candidate_id: int, *, now: datetime) -> None:
    """Give a member's vote; giving it again changes nothing. Raises NotFoundError or CandidateNotOpenError."""
    values = {"member": member_id, "id": candidate_id, "now": now}
    if not (await connection.execute(_VOTE, values)).rowcount:
        await _refuse_closed(connection, member_id, candidate_id)


async def take_vote_back(connection: AsyncConnection[Any], member_id: int, candidate_id: int) -> None:
    """Take a member's vote back; one that was not given changes nothing. Raises NotFoundError or CandidateNotOpenError."""
    values = {"member": member_id, "id": candidate_id}
    if not (await connection.execute(_TAKE_BACK, values)).rowcount:
        await _refuse_closed(connection, member_id, candidate_id)


async def move_votes(connection: AsyncConnection[Any], *, source: int, target: int) -> None:
    """Give one member's votes to another: a part of merging. Both having voted for the same counts once."""
    await connection.execute(_MOVE_VOTES, {"source": source, "target": target})


async def _refuse_closed(connection: AsyncConnection[Any], member_id: int, candidate_id: int) -> None:
    found = await load_candidate(connection, candidate_id, member_id=member_id)
    if found.state != "open":
        raise CandidateNotOpenError


async def _read(connection: AsyncConnection[Any], values: dict[str, Any]) -> list[Candidate]:
    return await fetch_all(connection, Candidate, _LIST, values)


def _values(facts: CandidateFacts) -> dict[str, str]:
    return {name: getattr(facts, name) for name in facts.__struct_fields__}
