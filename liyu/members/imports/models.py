"""Tables of the import studio: a file, its rows with what became of each, and the opening balances that it brought."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class MemberImport(Base):
    """One file of members on its way from the upload over the dry run to the members."""

    __tablename__ = "member_import"
    __table_args__ = (
        CheckConstraint(
            "state IN ('uploaded', 'reading', 'refused', 'ready', 'discarded', 'applying', 'applied', 'undoing', 'undone', "
            "'archived')",
            name="known_state",
        ),
        Index("ix_member_import_digest", "digest"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    file_name: Mapped[str]
    storage_name: Mapped[str | None]
    """Where the uploaded file waits until it was read; None for files of the command line."""
    digest: Mapped[str]
    """SHA-256 of the content: an import that was stopped goes on when the same file comes again."""
    encoding: Mapped[str]
    """`xlsx`, or the encoding in which the text was read: `utf-8`, `gb18030`, `utf-16`."""
    header: Mapped[list[str]]
    """The columns as the file names them."""
    notes: Mapped[list[dict[str, object]]]
    """What is to be said of the file as a whole: messages as text and values."""
    state: Mapped[str]
    rows: Mapped[int]
    done: Mapped[int]
    """Rows that were applied, or undone, so far."""
    points_unreadable: Mapped[int]
    """Rows whose points could not be read as a number."""
    summary: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Counts and totals of an archived import, whose rows are gone."""
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class MemberImportTransition(Base):
    """Every change of an import's state, with who and when."""

    __tablename__ = "member_import_transition"
    __table_args__ = (Index("ix_member_import_transition_import", "import_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("member_import.id"))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class MemberImportRow(Base):
    """One row of a file: what it says, how it differs from the members, and what was done."""

    __tablename__ = "member_import_row"
    __table_args__ = (
        CheckConstraint("status IN ('new', 'changed', 'unchanged', 'faulty')", name="known_status"),
        CheckConstraint("points IS NULL OR points > 0", name="points_are_positive"),
        Index("ix_member_import_row_lead", "import_id", "lead"),
        Index("ix_member_import_row_status", "import_id", "status", "row"),
        Index("ix_member_import_row_member", "member_id", postgresql_where="member_id IS NOT NULL"),
        # A row is compared, bound to its member, moved and marked: room on the page keeps most of that off the indexes.
        {"postgresql_with": {"fillfactor": "40"}},
    )

    import_id: Mapped[int] = mapped_column(ForeignKey("member_import.id"), primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    """As spreadsheets count: the header is row 1."""
    lead: Mapped[int]
    """The first row of the same member; rows of one member are applied together or not at all."""
    given: Mapped[list[str]]
    """The cells as they stand in the file."""
    external_id: Mapped[str | None]
    phone: Mapped[str | None]
    fields: Mapped[dict[str, Any]]
    """What the row says of the member, by column of the table `member`, as text."""
    joined_on: Mapped[date | None]
    tags: Mapped[list[int]] = mapped_column(JSONB)
    points: Mapped[int | None]
    """An opening balance, with `expires_on` as its last day; None there never lapses."""
    expires_on: Mapped[date | None]
    faults: Mapped[list[dict[str, object]]]
    """What is wrong with the row itself: column, text and values of each message."""
    conflicts: Mapped[list[dict[str, object]]]
    """What of it cannot go with the members that are there; found anew with every comparison."""
    status: Mapped[str]
    changes: Mapped[list[dict[str, object]]]
    """What differs: field, old and new value, as text."""
    opens: Mapped[bool]
    """Whether the opening balance is to be posted."""
    member_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    created: Mapped[bool]
    standing_before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    """Where the tier and the growth value stood before the import moved them; the columns of `member`."""
    standing_after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    applied_at: Mapped[datetime | None]
    refusals: Mapped[list[dict[str, object]]]
    """What of the row cannot be undone, and why."""
    undone_at: Mapped[datetime | None]


class OpeningBalance(Base):
    """Points that a member brought along, as one dated lot: once per member and last day, unless it was reversed."""

    __tablename__ = "opening_balance"
    __table_args__ = (
        CheckConstraint("points > 0 AND repaid >= 0 AND repaid <= points", name="repaid_within_points"),
        Index(
            "uq_opening_balance_member",
            "member_id",
            "expires_on",
            unique=True,
            postgresql_where="reversed_at IS NULL",
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_opening_balance_import", "import_id", "row"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("member_import.id"))
    row: Mapped[int]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    points: Mapped[int]
    repaid: Mapped[int]
    """The part that paid off a debt of the member."""
    expires_on: Mapped[date | None]
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfer.id"))
    repay_transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfer.id"))
    lot_id: Mapped[int | None] = mapped_column(ForeignKey("lot.id"))
    at: Mapped[datetime]
    reversed_at: Mapped[datetime | None]
