"""Merging two members, as far as the members package knows them: who may, points, growth value, tier, profile, limits, tags.

Every member table that points at a member is in one of the lists below; a test holds the lists against the tables.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, to_builtins
from msgspec.structs import replace
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from liyu.core.clock import local_date
from liyu.core.database import fetch_all
from liyu.core.errors import Reason
from liyu.core.i18n import N_, Message
from liyu.members.errors import UnknownMemberError
from liyu.members.leads import lock_members
from liyu.members.service.errors import NotMergeableError
from liyu.members.service.index import index_members
from liyu.members.service.ledger import PointsMoved, move_points
from liyu.members.service.merge_tiers import join_standings, paid_shift
from liyu.members.states import may_become
from liyu.members.tiers.rules import held_tier
from liyu.members.tiers.save import GrowthRow, TierWrites, load_ladder, load_standings, save_tiers

FILLED = ("phone", "email", "name", "birthday", "city", "locale")
"""What the target takes over where it has nothing of its own."""

GO_OVER = (
    "earning_event", "earning_use", "member_address", "member_tag", "profile_value", "account", "session", "member_terms",
    "member_notice", "paid_period",
)  # fmt: skip
"""Tables whose rows become the target's, or are settled with it (accounts) or end (sessions, terms)."""
STAY = (
    "adjustment_request", "card_change", "closing_request", "consent_entry", "data_export", "expiry_change", "growth_entry",
    "lapse_reminder", "member", "member_import_row", "member_merge", "member_note", "member_state_change",
    "member_tag_change", "opening_balance", "phone_change", "tier_change",
)  # fmt: skip
"""Histories that are never rewritten: they stay under the source, and the target's pages read both (`leads.PERSON`)."""

_SIDES = """
    SELECT m.id, m.external_id, m.state, m.name, m.phone, m.email, m.birthday, m.city, m.locale, m.joined_at, m.activated_at,
        EXISTS (SELECT FROM closing_request c
            WHERE c.member_id = m.id AND c.cancelled_at IS NULL AND c.done_at IS NULL) AS is_leaving,
        CASE WHEN m.tier_paid_until >= %s THEN m.tier_paid_id END AS paid_tier
    FROM member m WHERE m.external_id = ANY(%s)"""

_MOVE_EVENTS = "UPDATE earning_event SET member_id = %(target)s WHERE member_id = %(source)s"

# Together they have used what both have used, also where that is more than the cap: then nothing is left.
_ADD_USES = """
    WITH gone AS (DELETE FROM earning_use WHERE member_id = %(source)s RETURNING rule_code, period, used, cap)
    INSERT INTO earning_use AS mine (member_id, rule_code, period, used, cap)
    SELECT %(target)s, rule_code, period, used, cap FROM gone
    ON CONFLICT (member_id, rule_code, period) DO UPDATE
    SET used = mine.used + excluded.used, cap = greatest(mine.cap, excluded.cap, mine.used + excluded.used)"""

_MOVE_ADDRESSES = """
    UPDATE member_address SET member_id = %(target)s,
        is_default = is_default AND NOT EXISTS (SELECT FROM member_address WHERE member_id = %(target)s AND is_default)
    WHERE member_id = %(source)s"""

_MOVE_VALUES = """
    WITH gone AS (DELETE FROM profile_value WHERE member_id = %(source)s RETURNING field_id, value)
    INSERT INTO profile_value (member_id, field_id, value) SELECT %(target)s, field_id, value FROM gone ON CONFLICT DO NOTHING"""

_MOVE_TAGS = """
    WITH gone AS (DELETE FROM member_tag WHERE member_id = %(source)s RETURNING tag_id, by_rule, import_id, actor, at),
    given AS (
        INSERT INTO member_tag (member_id, tag_id, by_rule, import_id, actor, at)
        SELECT %(target)s, tag_id, by_rule, import_id, actor, at FROM gone ON CONFLICT DO NOTHING RETURNING tag_id),
    noted AS (
        INSERT INTO member_tag_change (member_id, tag_id, given, reason, actor, at)
        SELECT %(source)s, tag_id, false, 'merged', %(actor)s, %(now)s::timestamptz FROM gone
        UNION ALL SELECT %(target)s, tag_id, true, 'merged', %(actor)s, %(now)s FROM given)
    SELECT count(*) FROM given"""

_MOVE_NOTICES = """
    UPDATE member_notice n SET member_id = %(target)s WHERE n.member_id = %(source)s AND NOT EXISTS (
        SELECT FROM member_notice o WHERE o.member_id = %(target)s AND o.topic = n.topic AND o.subject = n.subject
            AND o.read_at IS NULL AND n.read_at IS NULL)"""

# Days of the source that nobody has used yet follow those that the target has paid for; what is over stays a record of the past.
_MOVE_PAID = """
    UPDATE paid_period SET member_id = %(target)s, begins_on = greatest(begins_on, %(day)s) + %(shift)s,
        ends_on = ends_on + %(shift)s
    WHERE member_id = %(source)s AND ends_on >= %(day)s AND returned_at IS NULL"""

_END_SESSIONS = "UPDATE session SET revoked_at = %(now)s WHERE member_id = %(source)s AND revoked_at IS NULL"

_LEAD_ON = "UPDATE member SET merged_into = %(target)s WHERE merged_into = %(source)s"

_CLOSE = """
    UPDATE member SET state = 'merged', merged_into = %(target)s, name = NULL, email = NULL, birthday = NULL, city = NULL
    WHERE id = %(source)s"""

_NOTE_STATE = """
    INSERT INTO member_state_change (member_id, from_state, to_state, reason, actor, at)
    VALUES (%(source)s, %(state)s, 'merged', %(reason)s, %(actor)s, %(now)s)"""

_NOTE_MERGE = """
    INSERT INTO member_merge (source_id, target_id, reason, actor, at, moved)
    VALUES (%(source)s, %(target)s, %(reason)s, %(actor)s, %(now)s, %(moved)s)"""


class Side(Struct, frozen=True):
    """One of the two members, under lock."""

    id: int
    external_id: str
    state: str
    name: str | None
    phone: str | None
    email: str | None
    birthday: date | None
    city: str | None
    locale: str | None
    joined_at: datetime
    activated_at: datetime | None
    is_leaving: bool
    paid_tier: int | None
    """The tier that they have bought, while it runs."""


class Party(Struct, frozen=True):
    """Who is merged into whom, and by whom, why and when."""

    source: Side
    target: Side
    reason: str
    actor: str
    now: datetime
    zone: ZoneInfo

    @property
    def values(self) -> dict[str, Any]:
        """What the statements need."""
        return {
            "source": self.source.id, "target": self.target.id, "actor": self.actor, "now": self.now,
            "reason": self.reason, "state": self.source.state,
        }  # fmt: skip


class TierOutcome(Struct):
    """The tier of the target before and after, by rank, and until when it is valid."""

    before: int
    after: int
    until: date | None
    growth: int


class MembersMoved(Struct):
    """What of a member's own went over."""

    points: PointsMoved
    tier: TierOutcome
    events: int
    tags: int
    addresses: int
    filled: dict[str, str]
    """Fields in which the target had nothing, with what came over."""
    kept: dict[str, list[str]]
    """Fields in which both had something else: the target's, which stays, and the source's."""


async def lock_party(
    connection: AsyncConnection[Any],
    source: str,
    target: str,
    *,
    reason: str,
    actor: str,
    now: datetime,
    zone: ZoneInfo,
) -> Party:
    """Lock both members and see whether they may be merged.

    Raises UnknownMemberError, or NotMergeableError with every reason.
    """
    leads = await lock_members(connection, [source, target])
    sides = {
        side.external_id: side
        for side in await fetch_all(connection, Side, _SIDES, (local_date(now, zone), [source, target]))
    }
    if source not in leads or target not in leads:
        raise UnknownMemberError
    reasons = _refusals(sides[source], sides[target])
    if reasons:
        raise NotMergeableError(reasons=reasons)
    return Party(sides[source], sides[target], reason, actor, now, zone)


def _refusals(source: Side, target: Side) -> list[Reason]:
    if source.id == target.id:
        return [Reason("same_member", Message(N_("A member cannot be merged with themselves.")))]
    reasons = []
    for side in (source, target):
        member: dict[str, Any] = {"member": side.external_id}
        if side.state == "merged":
            reasons.append(Reason("already_merged", Message(N_("%(member)s was merged already."), member)))
        elif side.state == "frozen":
            reasons.append(Reason("frozen", Message(N_("%(member)s is frozen: unfreeze the account first."), member)))
        elif side.state == "closed":
            reasons.append(Reason("closed", Message(N_("%(member)s has ended the membership."), member)))
        if side.is_leaving:
            reasons.append(
                Reason("leaving", Message(N_("%(member)s has asked to close the account: settle that first."), member))
            )
    if source.paid_tier and target.paid_tier and source.paid_tier != target.paid_tier:
        words = N_("Both have a paid membership, of different tiers: give one of them back first.")
        reasons.append(Reason("paid_twice", Message(words)))
    if target.state == "pre_registered" and may_become(source.state, "merged"):
        words = N_("%(member)s is not activated: merge the other way round, or activate the account first.")
        reasons.append(Reason("not_active", Message(words, {"member": target.external_id})))
    return reasons


async def merge_members(connection: AsyncConnection[Any], party: Party) -> MembersMoved:
    """Move what is the member's own. The caller holds both locks, and closes the source when other packages have moved theirs."""
    values = party.values
    points = await move_points(
        connection,
        party.source.id,
        party.target.id,
        origin=f"merge:{party.source.external_id}",
        reason=party.reason,
        actor=party.actor,
        now=party.now,
        activated_on=local_date(party.now, party.zone) if party.source.state == "pre_registered" else None,
    )
    events = (await connection.execute(_MOVE_EVENTS, values)).rowcount
    await connection.execute(_ADD_USES, values)
    addresses = (await connection.execute(_MOVE_ADDRESSES, values)).rowcount
    await connection.execute(_MOVE_VALUES, values)
    await connection.execute(_MOVE_NOTICES, values)
    (tags,) = await (await connection.execute(_MOVE_TAGS, values)).fetchone() or (0,)
    tier = await _join_tiers(connection, party)
    filled, kept = compare_profiles(party.source, party.target)
    return MembersMoved(points, tier, events, tags, addresses, filled, kept)


async def _join_tiers(connection: AsyncConnection[Any], party: Party) -> TierOutcome:
    ladder = await load_ladder(connection)
    standings = await load_standings(connection, [party.source.id, party.target.id])
    day, writes = local_date(party.now, party.zone), TierWrites()
    source, target = (
        writes.settle(ladder, side.id, standings[side.id], day, party.now) for side in (party.source, party.target)
    )
    joined, parts, decisions = join_standings(ladder, target, source, day)
    shift = paid_shift(target, day).days
    await connection.execute(_MOVE_PAID, party.values | {"day": day, "shift": shift})
    writes.note(party.source.id, replace(source, paid=None), [], party.now)
    writes.note(party.target.id, joined, decisions, party.now, actor=party.actor)
    writes.entries += [
        GrowthRow(party.target.id, part.period, f"merge:{party.source.external_id}", part.amount, party.now)
        for part in parts
    ]
    await save_tiers(connection, writes)
    before, after = held_tier(ladder, target).rank, held_tier(ladder, joined).rank
    return TierOutcome(before, after, joined.until, joined.growth)


def compare_profiles(source: Side, target: Side) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What the target takes over because it has nothing there, and where both have something else."""
    filled, kept = {}, {}
    for name in FILLED:
        theirs, own = getattr(source, name), getattr(target, name)
        if theirs is not None and own is None:
            filled[name] = str(theirs)
        elif theirs is not None and theirs != own and name != "locale":
            kept[name] = [str(own), str(theirs)]
    return filled, kept


async def close_source(connection: AsyncConnection[Any], party: Party, moved: Struct) -> None:
    """Let the source lead to the target from now on: its external id, its card, and its phone when the target has its own."""
    values = party.values | {"moved": Jsonb(_without_words(to_builtins(moved)))}
    await connection.execute(_END_SESSIONS, values)
    await connection.execute(_LEAD_ON, values)
    await connection.execute(_CLOSE, values)
    filled = {name: getattr(party.source, name) for name in compare_profiles(party.source, party.target)[0]}
    if "phone" in filled:
        await connection.execute("UPDATE member SET phone = NULL WHERE id = %(source)s", values)
    columns = ", ".join([*(f"{name} = %({name})s" for name in filled), "joined_at = least(joined_at, %(joined)s)"])
    await connection.execute(
        f"UPDATE member SET {columns}, activated_at = least(activated_at, %(activated)s) WHERE id = %(target)s",
        values | filled | {"joined": party.source.joined_at, "activated": party.source.activated_at},
    )
    await connection.execute(_NOTE_STATE, values)
    await connection.execute(_NOTE_MERGE, values)
    await index_members(connection, [party.source.id, party.target.id])


def _without_words(moved: dict[str, Any]) -> dict[str, Any]:
    """Which fields went over, not what they said: the row stays for ever, and the person may be erased."""
    words = {name: sorted(moved["members"][name]) for name in ("filled", "kept")}
    return {**moved, "members": {**moved["members"], **words}}
