"""Tables of rights evaluation: score sheets, candidates with the votes of members, and targets for the mix."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class RightCandidate(Base):
    """A right that is not in the mall yet; members say whether they would like it."""

    __tablename__ = "right_candidate"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'planned', 'listed', 'dropped')", name="known_state"),
        CheckConstraint("(state = 'listed') = (item_id IS NOT NULL)", name="listed_as_an_item"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    summary_zh: Mapped[str]
    summary_en: Mapped[str]
    scene: Mapped[str]
    partner: Mapped[str]
    """Who might offer it, in words; empty when nobody has been found."""
    state: Mapped[str]
    item_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    """The item that it became."""
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class RightCandidateChange(Base):
    """Every change of a candidate's state, with who and why."""

    __tablename__ = "right_candidate_change"
    __table_args__ = (Index("ix_right_candidate_change_candidate", "candidate_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    candidate_id: Mapped[int] = mapped_column(ForeignKey("right_candidate.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class CandidateVote(Base):
    """A member would like a candidate; the key is why nobody counts twice."""

    __tablename__ = "candidate_vote"
    __table_args__ = (Index("ix_candidate_vote_member", "member_id"),)

    candidate_id: Mapped[int] = mapped_column(ForeignKey("right_candidate.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    at: Mapped[datetime]


class ScoreSheet(Base):
    """What one person thought of an item or a candidate at one time; a later sheet of the same person takes its place."""

    __tablename__ = "score_sheet"
    __table_args__ = (
        CheckConstraint("num_nonnulls(item_id, candidate_id) = 1", name="of_one_right"),
        CheckConstraint(
            "attractiveness BETWEEN 1 AND 10 AND feasibility BETWEEN 1 AND 10 AND partner_quality BETWEEN 1 AND 10 "
            "AND cost BETWEEN 1 AND 10",
            name="scores_from_1_to_10",
        ),
        Index("ix_score_sheet_item", "item_id", "id", postgresql_where="item_id IS NOT NULL"),
        Index("ix_score_sheet_candidate", "candidate_id", "id", postgresql_where="candidate_id IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    candidate_id: Mapped[int | None] = mapped_column(ForeignKey("right_candidate.id"))
    attractiveness: Mapped[int]
    feasibility: Mapped[int]
    partner_quality: Mapped[int]
    cost: Mapped[int]
    """10 is cheap for what it gives."""
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class MixTarget(Base):
    """How many rights there should be in a scene, or for members of a tier."""

    __tablename__ = "mix_target"
    __table_args__ = (
        CheckConstraint("axis IN ('scene', 'tier')", name="known_axis"),
        CheckConstraint("wanted BETWEEN 0 AND 9999", name="a_number_of_rights"),
    )

    axis: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    """A scene, or a tier's code."""
    wanted: Mapped[int]
    changed_at: Mapped[datetime]
