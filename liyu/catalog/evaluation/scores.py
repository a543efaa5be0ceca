"""Score sheets: kept as they were written, and the ranking by the geometric mean, which a weak dimension pulls down.

The formula and why it was chosen: docs/algorithms/evaluation.md. Ranking is exact: it compares the products of the means as
fractions, which have the order of their geometric means.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from math import prod
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all

DIMENSIONS = ("attractiveness", "feasibility", "partner_quality", "cost")
LOWEST, HIGHEST = 1, 10
WEAK = Fraction(5)
"""A dimension below this is worth a word."""

_CURRENT = """
    SELECT DISTINCT ON (s.item_id, s.candidate_id, s.actor) s.item_id, s.candidate_id,
        ARRAY[s.attractiveness, s.feasibility, s.partner_quality, s.cost] AS scores
    FROM score_sheet s WHERE s.{column} = ANY(%s) ORDER BY s.item_id, s.candidate_id, s.actor, s.id DESC"""
_HISTORY = """
    SELECT s.id, s.attractiveness, s.feasibility, s.partner_quality, s.cost, s.reason, s.actor, s.at
    FROM score_sheet s WHERE s.{column} = %s ORDER BY s.id DESC LIMIT %s"""
_ADD = """
    INSERT INTO score_sheet (item_id, candidate_id, attractiveness, feasibility, partner_quality, cost, reason, actor, at)
    VALUES (%(item)s, %(candidate)s, %(attractiveness)s, %(feasibility)s, %(partner_quality)s, %(cost)s, %(reason)s, %(actor)s,
        %(now)s)"""


class Scores(Struct, frozen=True):
    """The means of the latest sheets of everybody who wrote one, in the order of `DIMENSIONS`."""

    means: tuple[Fraction, ...]
    sheets: int

    @property
    def product(self) -> Fraction:
        """What ranks: it has the order of the geometric mean."""
        return prod(self.means, start=Fraction(1))

    @property
    def total(self) -> Decimal:
        """The geometric mean, from 1 to 10, to one decimal."""
        with localcontext() as context:
            context.prec = 30
            product = Decimal(self.product.numerator) / Decimal(self.product.denominator)
            root = product ** (Decimal(1) / len(self.means))
            return root.quantize(Decimal("0.1"), ROUND_HALF_UP)

    @property
    def weakest(self) -> int:
        """The place of the lowest dimension; of equal ones the first."""
        return min(range(len(self.means)), key=lambda place: self.means[place])


class Sheet(Struct, frozen=True):
    """One sheet of the history."""

    id: int
    attractiveness: int
    feasibility: int
    partner_quality: int
    cost: int
    reason: str
    actor: str
    at: datetime

    @property
    def scores(self) -> tuple[int, ...]:
        """In the order of `DIMENSIONS`."""
        return self.attractiveness, self.feasibility, self.partner_quality, self.cost


class Subject(Struct, frozen=True):
    """What is evaluated: an item, or a candidate."""

    item_id: int | None = None
    candidate_id: int | None = None

    @property
    def column(self) -> str:
        """The column of `score_sheet` that names it."""
        return "item_id" if self.item_id is not None else "candidate_id"

    @property
    def id(self) -> int:
        """Its id in that column."""
        found = self.item_id if self.item_id is not None else self.candidate_id
        assert found is not None
        return found


def combine(sheets: Sequence[Sequence[int]]) -> Scores | None:
    """The scores of sheets that count; None when there are none."""
    if not sheets:
        return None
    means = tuple(Fraction(sum(column), len(sheets)) for column in zip(*sheets, strict=True))
    return Scores(means, len(sheets))


async def add_sheet(
    connection: AsyncConnection[Any],
    subject: Subject,
    scores: dict[str, int],
    *,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    """Write a sheet; an earlier one of the same person stays in the history and counts no more."""
    values = {"item": subject.item_id, "candidate": subject.candidate_id, "reason": reason, "actor": actor, "now": now}
    await connection.execute(_ADD, values | scores)


async def load_scores(connection: AsyncConnection[Any], column: str, ids: Sequence[int]) -> dict[int, Scores]:
    """The scores of items or candidates (`column` of a Subject) that have any, by id."""
    found = await connection.execute(_CURRENT.format(column=column), (list(ids),))
    sheets: dict[int, list[list[int]]] = {}
    for item_id, candidate_id, scores in await found.fetchall():
        sheets.setdefault(item_id if item_id is not None else candidate_id, []).append(scores)
    return {key: scores for key, one in sheets.items() if (scores := combine(one)) is not None}


async def list_sheets(connection: AsyncConnection[Any], subject: Subject, *, size: int = 50) -> list[Sheet]:
    """The sheets of an item or a candidate, the latest first."""
    return await fetch_all(connection, Sheet, _HISTORY.format(column=subject.column), (subject.id, size))
