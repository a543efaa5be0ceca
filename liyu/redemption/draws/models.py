"""Tables of draws: what was announced, its prizes, the frozen list of entries, and the drawn order."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Identity, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Draw(Base):
    """A draw among the entries of one item of the kind `draw`. What was announced never changes: the database refuses it.

    The published times, hashes and the seed come one after the other, each once.
    """

    __tablename__ = "draw"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'announced', 'frozen', 'decided', 'finished', 'called_off')", name="known_state"
        ),
        CheckConstraint("losing_points IN ('kept', 'given_back')", name="known_rule"),
        CheckConstraint("claim_hours BETWEEN 1 AND 720", name="claimed_within_a_month"),
        CheckConstraint(
            "(state = 'draft') = (commitment IS NULL) AND (commitment IS NULL) = (sealed_seed IS NULL) "
            "AND (commitment IS NULL) = (announced_at IS NULL) AND (commitment IS NULL) = (opens_at IS NULL) "
            "AND (commitment IS NULL) = (closes_at IS NULL)",
            name="announced_with_its_commitment",
        ),
        CheckConstraint(
            "announced_at <= opens_at AND opens_at < closes_at AND closes_at < draws_at", name="in_the_order_of_time"
        ),
        CheckConstraint(
            "(state IN ('frozen', 'decided', 'finished')) = (list_hash IS NOT NULL) "
            "AND (list_hash IS NULL) = (frozen_at IS NULL) AND (list_hash IS NULL) = (entries IS NULL) "
            "AND (list_hash IS NULL) = (tickets IS NULL)",
            name="frozen_with_its_list",
        ),
        CheckConstraint(
            "(state IN ('decided', 'finished')) = (seed IS NOT NULL) AND (seed IS NULL) = (decided_at IS NULL)",
            name="decided_with_its_seed",
        ),
        CheckConstraint("encode(sha256(convert_to(seed, 'UTF8')), 'hex') = commitment", name="seed_is_the_committed"),
        Index("uq_draw_of_an_item", "entry_item_id", unique=True),
        Index("ix_draw_running", "id", postgresql_where="state IN ('announced', 'frozen', 'decided')"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    entry_item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    """The item that stands for an entry: its price, window and limits are those of the draw."""
    state: Mapped[str]
    draws_at: Mapped[datetime]
    """When the seed is revealed and the winners are drawn."""
    losing_points: Mapped[str]
    """What becomes of the points of entries that win nothing."""
    claim_hours: Mapped[int | None]
    """How long a winner has to say yes before the next in the drawn order is asked; None: prizes are handed out at once."""
    tier_tickets: Mapped[list[dict[str, object]] | None] = mapped_column(JSONB(none_as_null=True))
    """Tickets for each entry by tier, as `tier_id` and `tickets`; one where nothing is said."""
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    announced_at: Mapped[datetime | None]
    opens_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    commitment: Mapped[str | None] = mapped_column(unique=True)
    """The SHA-256 of the seed."""
    sealed_seed: Mapped[bytes | None] = mapped_column(LargeBinary)
    frozen_at: Mapped[datetime | None]
    list_hash: Mapped[str | None]
    """The SHA-256 of the published list."""
    entries: Mapped[int | None]
    tickets: Mapped[int | None]
    decided_at: Mapped[datetime | None]
    seed: Mapped[str | None]
    finished_at: Mapped[datetime | None]


class DrawTransition(Base):
    """Every change of a draw's state, with who, when and why."""

    __tablename__ = "draw_transition"
    __table_args__ = (Index("ix_draw_transition_draw", "draw_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class DrawPrize(Base):
    """Units of an item that are to be won. Those not handed out yet count as taken in the item's stock while the draw runs."""

    __tablename__ = "draw_prize"
    __table_args__ = (
        CheckConstraint("units > 0", name="units_are_positive"),
        CheckConstraint("given BETWEEN 0 AND units", name="never_more_than_there_are"),
        UniqueConstraint("draw_id", "position"),
        Index("ix_draw_prize_item", "item_id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"))
    position: Mapped[int]
    """The first in the drawn order win the units of position 1, and so on."""
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    units: Mapped[int]
    given: Mapped[int] = mapped_column(default=0)
    """Units for which there is a redemption."""


class DrawEntry(Base):
    """A line of the frozen list. Codes are pseudonyms of this draw alone; who is behind one stands in the redemption only."""

    __tablename__ = "draw_entry"
    __table_args__ = (
        CheckConstraint("tickets > 0", name="tickets_are_positive"),
        UniqueConstraint("redemption_id", "unit"),
    )

    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"), primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str]
    tickets: Mapped[int]
    redemption_id: Mapped[int] = mapped_column(ForeignKey("redemption.id"))
    unit: Mapped[int]


class DrawPlace(Base):
    """A place in the drawn order: one for each person, by their best entry."""

    __tablename__ = "draw_place"
    __table_args__ = (
        ForeignKeyConstraint(["draw_id", "code"], ["draw_entry.draw_id", "draw_entry.code"]),
        UniqueConstraint("draw_id", "code"),
        CheckConstraint(
            "state IN ('won', 'offered', 'waiting', 'lapsed', 'passed_over', 'missed')", name="known_state"
        ),
        CheckConstraint("(state IN ('won', 'offered', 'lapsed')) = (prize_id IS NOT NULL)", name="has_its_prize"),
        CheckConstraint("(state = 'won') = (redemption_id IS NOT NULL)", name="won_by_a_redemption"),
        CheckConstraint("(state = 'offered') <= (offered_until IS NOT NULL)", name="offered_until_an_instant"),
        Index("ix_draw_place_waiting", "draw_id", "place", postgresql_where="state IN ('waiting', 'offered')"),
    )

    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"), primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[str]
    state: Mapped[str]
    prize_id: Mapped[int | None] = mapped_column(ForeignKey("draw_prize.id"))
    offered_until: Mapped[datetime | None]
    redemption_id: Mapped[int | None] = mapped_column(
        ForeignKey("redemption.id", deferrable=True, initially="DEFERRED"), unique=True
    )
    """The prize. It is written at the end of the transaction that writes the place, as the desk does."""


class DrawPlaceChange(Base):
    """What happened to a place after the draw, and when: who was asked, who did not answer, whose turn it was then."""

    __tablename__ = "draw_place_change"
    __table_args__ = (Index("ix_draw_place_change_place", "draw_id", "place", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    draw_id: Mapped[int] = mapped_column(ForeignKey("draw.id"))
    place: Mapped[int]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
