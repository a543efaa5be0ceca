"""Tables of vouchers, of what happens to them, and of every attempt to verify one."""

from datetime import date, datetime

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class Voucher(Base):
    """A right that a member holds. Its code is made from the id and a key, and stands nowhere in the database."""

    __tablename__ = "voucher"
    __table_args__ = (
        CheckConstraint("uses >= 0 AND uses <= uses_allowed", name="not_used_too_often"),
        CheckConstraint("generation BETWEEN 0 AND 15", name="known_generation"),
        CheckConstraint("(member_id IS NULL) = (redemption_id IS NULL)", name="redeemed_by_somebody"),
        CheckConstraint("(run_id IS NULL) = (run_number IS NULL)", name="numbered_in_its_run"),
        # One key for all: a voucher is always of its redemption's member and item, also when two members are merged.
        ForeignKeyConstraint(
            ["member_id", "redemption_id", "item_id"],
            ["redemption.member_id", "redemption.id", "redemption.item_id"],
            onupdate="CASCADE",
        ),
        Index("ix_voucher_member", "member_id", "id"),
        Index("ix_voucher_redemption", "redemption_id"),
        # Partial ones: they cost nothing where a voucher is redeemed and used by the same member.
        Index("ix_voucher_holder", "holder_id", "id", postgresql_where="holder_id IS NOT NULL"),
        Index("uq_voucher_run", "run_id", "run_number", unique=True, postgresql_where="run_id IS NOT NULL"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    redemption_id: Mapped[int | None]
    member_id: Mapped[int | None]
    """Who redeemed it; None, as the redemption, for one that was printed for a campaign."""
    item_id: Mapped[int]
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    agreement_line_id: Mapped[int | None] = mapped_column(ForeignKey("agreement_line.id"))
    """The version of the terms it was priced with."""
    state: Mapped[str]
    uses: Mapped[int] = mapped_column(default=0)
    uses_allowed: Mapped[int]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    holder_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    """Who got it from whoever redeemed it, or put a printed one into the wallet; None while it is still theirs, or anybody's."""
    generation: Mapped[int] = mapped_column(server_default="0")
    """How often it changed hands. It is part of the serial number, so that older codes and QR codes are no voucher's any more."""
    points_returned: Mapped[int | None]
    """What went back to whoever redeemed it when an operator cancelled it alone."""
    paper_until: Mapped[datetime | None]
    """Until when its holder lets it be used once by a code that does not renew, where the item asks for that."""
    frozen_at: Mapped[datetime | None]
    """Since when an operator has frozen it; `voucher_change` says who and why."""
    run_id: Mapped[int | None] = mapped_column(ForeignKey("voucher_run.id"))
    run_number: Mapped[int | None]
    """The serial number that stands on a voucher printed for a campaign."""


class VoucherTransition(Base):
    """Every change of a voucher's state after its issue, with who and why."""

    __tablename__ = "voucher_transition"
    __table_args__ = (Index("ix_voucher_transition_voucher", "voucher_id", "id"),)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"))
    from_state: Mapped[str]
    to_state: Mapped[str]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class Verification(Base):
    """One use of a voucher at a store 核销. The nonce makes a repeat answer as before."""

    __tablename__ = "verification"
    __table_args__ = (
        UniqueConstraint("verifier", "nonce"),
        Index("ix_verification_voucher", "voucher_id", "id"),
        Index("ix_verification_partner", "partner_id", "verified_at"),
        CheckConstraint("(undone_at IS NULL) = (undo_reason IS NULL)", name="undo_has_a_reason"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"))
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    verifier: Mapped[str]
    """Who verified: `staff:12` or `key:3`."""
    nonce: Mapped[str]
    use_number: Mapped[int]
    verified_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undo_reason: Mapped[str | None]


class VerificationRefusal(Base):
    """A refused attempt: what was refused and why. The scan itself is never kept."""

    __tablename__ = "verification_refusal"
    __table_args__ = (
        Index("ix_verification_refusal_verifier", "verifier", "at"),
        Index("ix_verification_refusal_at", "at"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    verifier: Mapped[str]
    store_id: Mapped[int | None] = mapped_column(ForeignKey("store.id"))
    voucher_id: Mapped[int | None] = mapped_column(ForeignKey("voucher.id"))
    code: Mapped[str]
    at: Mapped[datetime]
    partner_id: Mapped[int | None] = mapped_column(ForeignKey("partner.id"))
    """For whom the verifier works; None is the operator."""


class VoucherPrint(Base):
    """Vouchers of an item on their way to paper: a job with its progress, and for some days its file in storage."""

    __tablename__ = "voucher_print"
    __table_args__ = (
        CheckConstraint("layout IN ('a6', 'a4')", name="known_layout"),
        CheckConstraint("form IN ('pdf', 'zip', 'csv')", name="known_form"),
        CheckConstraint(
            "num_nulls(run_id, first_number, last_number) IN (0, 3) AND (form <> 'csv' OR run_id IS NOT NULL)",
            name="numbers_of_a_run",
        ),
        Index("ix_voucher_print_run", "run_id", "id", postgresql_where="run_id IS NOT NULL"),
        CheckConstraint("state IN ('printing', 'stopped', 'finished', 'gone')", name="known_state"),
        CheckConstraint("done BETWEEN 0 AND total AND total BETWEEN 1 AND 20000", name="done_within_total"),
        CheckConstraint("state <> 'finished' OR finished_at IS NOT NULL AND done = total", name="finished_is_whole"),
        Index("ix_voucher_print_kept", "made_at", postgresql_where="state IN ('finished', 'stopped')"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    locale: Mapped[str]
    layout: Mapped[str]
    form: Mapped[str]
    voucher_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """In the order of printing, fixed when it was ordered; none when the file is gone."""
    total: Mapped[int]
    done: Mapped[int]
    state: Mapped[str]
    problem: Mapped[str | None]
    """Why the worker stopped it."""
    folder: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    run_id: Mapped[int | None] = mapped_column(ForeignKey("voucher_run.id"))
    first_number: Mapped[int | None]
    last_number: Mapped[int | None]
    """The range of a print run that was ordered; none for an item's vouchers, which have no numbers."""


class VoucherChange(Base):
    """What happened to a voucher beside its state: frozen, unfrozen, given a later last day, put into a wallet."""

    __tablename__ = "voucher_change"
    __table_args__ = (
        CheckConstraint("change IN ('frozen', 'unfrozen', 'extended', 'claimed')", name="known_change"),
        CheckConstraint("(change = 'extended') = (expires_before IS NOT NULL)", name="extended_from"),
        Index("ix_voucher_change_voucher", "voucher_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"))
    change: Mapped[str]
    expires_before: Mapped[datetime | None]
    expires_after: Mapped[datetime | None]
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]


class VoucherGift(Base):
    """A voucher on its way to another member 转赠: a link that is good once, until it runs out or is taken back."""

    __tablename__ = "voucher_gift"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'accepted', 'taken_back', 'lapsed')", name="known_state"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_once"),
        CheckConstraint("(state = 'accepted') = (receiver_id IS NOT NULL)", name="accepted_by_somebody"),
        Index("uq_voucher_gift_open", "voucher_id", unique=True, postgresql_where="state = 'open'"),
        Index("ix_voucher_gift_voucher", "voucher_id", "id"),
        Index("ix_voucher_gift_giver", "giver_id", "offered_at"),
        Index("ix_voucher_gift_receiver", "receiver_id"),
        Index("ix_voucher_gift_due", "expires_at", postgresql_where="state = 'open'"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"))
    giver_id: Mapped[int] = mapped_column(ForeignKey("member.id"))
    receiver_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))
    state: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    words: Mapped[str]
    """What the giver says to it; gone with the person."""
    offered_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]


class VoucherReminder(Base):
    """That somebody was told that a voucher of theirs runs out: once for each last day."""

    __tablename__ = "voucher_reminder"

    voucher_id: Mapped[int] = mapped_column(ForeignKey("voucher.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(primary_key=True)
    channel: Mapped[str]
    at: Mapped[datetime]


class VoucherRule(Base):
    """The program's rules of vouchers; one row, which `rules.py` reads."""

    __tablename__ = "voucher_rule"
    __table_args__ = (
        CheckConstraint("id = 1", name="only_one"),
        CheckConstraint(
            "reminder_days BETWEEN 0 AND 90 AND gift_days BETWEEN 0 AND 90 AND gifts_a_day BETWEEN 1 AND 100 "
            "AND extensions_alone BETWEEN 0 AND 20000",
            name="sensible",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    reminder_days: Mapped[int]
    """Members are told so many days before a voucher runs out; 0 is never."""
    gift_days: Mapped[int]
    """A gift waits so many days to be accepted; 0 is that vouchers are not given away."""
    gifts_a_day: Mapped[int]
    """So many gifts a member may offer a day."""
    extensions_alone: Mapped[int]
    """So many vouchers one person may extend at once; more need a second one."""
    changed_at: Mapped[datetime]


class VoucherExtension(Base):
    """A later last day for many vouchers at once, in the hands of two people where they are many."""

    __tablename__ = "voucher_extension"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'done', 'refused')", name="known_state"),
        CheckConstraint("(state = 'waiting') = (decided_by IS NULL)", name="decided_by_somebody"),
        CheckConstraint("vouchers > 0", name="of_something"),
        Index("ix_voucher_extension_waiting", "id", postgresql_where="state = 'waiting'"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    runs_out_from: Mapped[date]
    runs_out_to: Mapped[date]
    last_day: Mapped[date]
    """The new one."""
    vouchers: Mapped[int]
    """How many it was to be when it was asked for, or how many it was."""
    reason: Mapped[str]
    state: Mapped[str]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class VoucherRun(Base):
    """A numbered print run for a campaign: vouchers without a member, worth nothing until their numbers are activated."""

    __tablename__ = "voucher_run"
    __table_args__ = (CheckConstraint("total BETWEEN 1 AND 20000", name="not_too_many"), UniqueConstraint("name"))

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"))
    name: Mapped[str]
    total: Mapped[int]
    last_day: Mapped[date]
    """It stands on the paper, so it is fixed when the run is made."""
    made_by: Mapped[str]
    made_at: Mapped[datetime]


class VoucherRunActivation(Base):
    """A range of numbers of a run that was activated or withdrawn, with who and why."""

    __tablename__ = "voucher_run_activation"
    __table_args__ = (
        CheckConstraint("act IN ('activated', 'withdrawn')", name="known_act"),
        CheckConstraint("1 <= first AND first <= last", name="in_order"),
        Index("ix_voucher_run_activation_run", "run_id", "id"),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("voucher_run.id"))
    act: Mapped[str]
    first: Mapped[int]
    last: Mapped[int]
    vouchers: Mapped[int]
    """How many of the range it changed."""
    reason: Mapped[str]
    actor: Mapped[str]
    at: Mapped[datetime]
