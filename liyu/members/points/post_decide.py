"""What one event does to one member: points by rule, debts paid first, returns taken back into debt. Pure but for the state."""

from datetime import date, datetime, timedelta

from msgspec import Struct, convert

from liyu.core.clock import local_date
from liyu.core.i18n import N_, Message
from liyu.core.ledger.posting import TransferRow
from liyu.core.money import POINTS
from liyu.members.points.events import Event, Posted
from liyu.members.points.expiry import last_day_for
from liyu.members.points.lots import Draw, OpenLot
from liyu.members.points.post_state import Earner, LotKey, PostState, Writes
from liyu.members.points.pricing import (
    CHECK_IN,
    PURCHASE,
    RETURN,
    Line,
    Occasion,
    Rule,
    caps_of,
    price_event,
    rules_in_force,
    streak_on,
)
from liyu.members.points.returns import Purchase, divide_claim, forgive, take_back, take_back_by_rate


class EventRow(Struct):
    """An event to be kept, with what it gave."""

    member_id: int
    type: str
    reference: str
    amount_minor: int | None
    currency: str | None
    occurred_at: datetime
    received_at: datetime
    points: int
    growth: int
    lines: list[Line]
    body_hash: str
    purchase_reference: str | None
    points_part_minor: int | None


def post_event(state: PostState, writes: Writes, event: Event, actor: str) -> Posted:
    """Decide one event without faults and note what it wants written; the state moves on for the next one."""
    place, fingerprint = (event.type, event.reference), event.fingerprint()
    if place in state.known:
        return _answer_again(state, place, fingerprint)
    earner = state.earners.get(event.member)
    if earner is None:
        return Posted("failed", code="unknown_member", faults={"member": Message(N_("No member has this id."))})
    if earner.state == "closed":
        return Posted("failed", code="member_closed", faults={"member": Message(N_("The membership is closed."))})
    purchase = state.purchases.get(event.purchase or event.reference) if event.type == RETURN else None
    if purchase is not None and purchase.member_id != earner.id:
        words = Message(N_("This purchase is another member's."))
        return Posted("failed", code="reference_conflict", faults={"reference": words})
    _settle_tier(state, writes, earner, event)
    poster = _Poster(state, writes, event, earner, actor)
    is_return = event.type == RETURN
    lines = _post_return(state, writes, poster, purchase) if is_return else _post_earning(state, writes, poster)
    return _keep(state, writes, event, earner, lines, fingerprint)


def _answer_again(state: PostState, place: tuple[str, str], fingerprint: str) -> Posted:
    first, points, growth, lines = state.known[place]
    if first != fingerprint:
        words = Message(N_("This reference was already used for another event of this type."))
        return Posted("failed", code="reference_conflict", faults={"reference": words})
    return Posted("duplicate", points, growth, convert(lines, list[Line]))


def _post_earning(state: PostState, writes: Writes, poster: "_Poster") -> list[Line]:
    event, earner = poster.event, poster.earner
    day = local_date(event.occurred_at, state.zone)
    verdicts = price_event(
        state.rules,
        _occasion_of(state, earner, event, day),
        lambda code, period: state.used.get((earner.id, code, period), 0),
    )
    given = [(verdict.rule, verdict.line) for verdict in verdicts if verdict.line is not None]
    for rule, line in given:
        _use_caps(state, writes, earner, rule, day, line.points)
    state.seen.add((earner.id, event.type))
    if event.type == CHECK_IN:
        state.check_ins.setdefault(earner.id, set()).add(day)
    points = sum(line.points for _, line in given)
    lot = poster.give(points, max((rule.pending_days for rule, _ in given), default=0)) if points else None
    lines = [line for _, line in given]
    if event.type == PURCHASE:
        state.purchases[event.reference] = Purchase(earner.id, event.amount_minor or 0, day, lines, 0, lot)
    return lines


def _occasion_of(state: PostState, earner: Earner, event: Event, day: date) -> Occasion:
    days = state.check_ins.get(earner.id, set())
    return Occasion(
        event.type,
        event.earning_amount(points_part_earns=state.terms.points_part_earns),
        event.occurred_at,
        day,
        tier_basis_points=state.tier_of(earner).multiplier_basis_points,
        birthday=earner.birthday,
        is_first=(earner.id, event.type) not in state.seen,
        streak=streak_on(days, day) if event.type == CHECK_IN and day not in days else 0,
    )


def _use_caps(state: PostState, writes: Writes, earner: Earner, rule: Rule, day: date, points: int) -> None:
    """Count what a rule gave against its caps; a return frees what it took back (points < 0)."""
    for _, period, cap in caps_of(rule, day):
        place = (earner.id, rule.code, period)
        state.used[place] = state.used.get(place, 0) + points
        added, known_cap = writes.uses.get(place, (0, 0))
        writes.uses[place] = (added + points, max(known_cap, cap))


def _post_return(state: PostState, writes: Writes, poster: "_Poster", purchase: Purchase | None) -> list[Line]:
    """Take back what the purchase gave, or by rate where it is not known, as far as the return policy goes."""
    event, earner = poster.event, poster.earner
    amount = abs(event.amount_minor or 0)
    if purchase is None:
        rates = rules_in_force(state.rules, PURCHASE, event.occurred_at)
        lines = take_back_by_rate(rates, amount, state.tier_of(earner).multiplier_basis_points)
    else:
        lines = take_back(purchase, amount)
    forgive(lines, poster.take_back(-sum(line.points for line in lines), purchase))
    if purchase is not None:
        rules = {(rule.code, rule.version): rule for rule in state.rules}
        for line in lines:
            rule = rules[line.rule, line.version]
            _use_caps(state, writes, earner, rule, purchase.day, line.points)
    return lines


def _keep(
    state: PostState, writes: Writes, event: Event, earner: Earner, lines: list[Line], fingerprint: str
) -> Posted:
    points, growth = sum(line.points for line in lines), sum(line.growth for line in lines)
    _grow(state, writes, earner, growth, event)
    is_return = event.type == RETURN
    writes.events.append(
        EventRow(
            member_id=earner.id,
            type=event.type,
            reference=event.reference,
            amount_minor=-abs(event.amount_minor or 0) if is_return else event.amount_minor,
            currency=event.currency,
            occurred_at=event.occurred_at,
            received_at=state.now,
            points=points,
            growth=growth,
            lines=lines,
            body_hash=fingerprint,
            purchase_reference=(event.purchase or event.reference) if is_return else None,
            points_part_minor=event.points_part_minor,
        )
    )
    writes.touched.add(earner.external_id)
    state.known[(event.type, event.reference)] = (fingerprint, points, growth, lines)
    return Posted("ok", points, growth, lines)


def _settle_tier(state: PostState, writes: Writes, earner: Earner, event: Event) -> None:
    """What had to be decided about the tier before this day is decided first, whether or not the worker has been here."""
    day = local_date(event.occurred_at, state.zone)
    earner.standing = writes.tiers.settle(state.ladder, earner.id, earner.standing, day, event.occurred_at)


def _grow(state: PostState, writes: Writes, earner: Earner, growth: int, event: Event) -> None:
    """Growth moves at once, and so does the tier when a threshold is reached; a return throws nobody down."""
    if growth:
        day, source = local_date(event.occurred_at, state.zone), f"{event.type}:{event.reference}"
        earner.standing = writes.tiers.grow(
            state.ladder, earner.id, earner.standing, growth, day, event.occurred_at, source
        )


class _Poster:
    """The transfers of one event."""

    def __init__(self, state: PostState, writes: Writes, event: Event, earner: Earner, actor: str) -> None:
        self.state, self.writes, self.event, self.earner, self.actor = state, writes, event, earner, actor

    def give(self, points: int, pending_days: int) -> OpenLot | None:
        """Pay debts first; what is left goes into the lot of its last day, pending while a return is likely."""
        issued = self.state.accounts["points_issued"]
        repaid = min(self.earner.debt, points)
        if repaid:
            self.transfer(issued, self.earner.debt_account, repaid, "repay")
            self.earner.debt -= repaid
        if points == repaid:
            return None
        day = local_date(self.event.occurred_at, self.state.zone)
        matures_on = day + timedelta(days=pending_days)
        pending = matures_on > self.state.today
        account = self.earner.pending_account if pending else self.earner.points_account
        expires_on = last_day_for(self.state.terms, self.earner.state, day)
        lot = self.lot((account, expires_on, matures_on if pending else None))
        self.move(lot, self.transfer(issued, account, points - repaid, "earn"), points - repaid)
        return lot

    def take_back(self, points: int, purchase: Purchase | None) -> int:
        """Take points back as the program's return policy says, and return what it forgives (docs/rules.md 5)."""
        earner = self.earner
        pending, usable = self._lots_of(earner.pending_account), self._lots_of(earner.points_account)
        claim = divide_claim(points, self.state.terms.return_policy, purchase, pending, usable)
        self._claw_back(earner.pending_account, pending, claim.pending)
        self._claw_back(earner.points_account, usable, claim.usable)
        if claim.debt:
            self.transfer(earner.debt_account, self.state.accounts["points_clawed_back"], claim.debt, "debt")
            earner.debt += claim.debt
        return claim.forgiven

    def _claw_back(self, account: int, lots: list[OpenLot], draws: list[Draw]) -> None:
        if not draws:
            return
        by_id = {lot.id: lot for lot in lots}
        taken = sum(draw.amount for draw in draws)
        position = self.transfer(account, self.state.accounts["points_clawed_back"], taken, "clawback")
        for draw in draws:
            self.move(by_id[draw.lot_id], position, -draw.amount)

    def transfer(self, debit: int, credit: int, amount: int, kind: str) -> int:
        """Note a transfer and return its position; ids are given when the batch is saved."""
        # No event does the same to one account twice, so the key refuses a second posting even where the event's own did not.
        key = f"{kind}:{self.event.type}:{self.event.reference}:{debit}"
        self.writes.transfers.append(
            TransferRow(
                id=0, debit_account_id=debit, credit_account_id=credit, amount=amount, unit=POINTS, event=kind,
                source=f"{self.event.type}:{self.event.reference}", reason=self.event.type, actor=self.actor, key=key,
                at=self.event.occurred_at,
            )
        )  # fmt: skip
        return len(self.writes.transfers) - 1

    def lot(self, key: LotKey) -> OpenLot:
        """The lot of a key; a new one has a negative id until it is saved."""
        if key not in self.earner.lots:
            self.earner.lots[key] = self.writes.new_lots[key] = OpenLot(
                -len(self.writes.new_lots) - 1, *key[:2], 0, key[2]
            )
        return self.earner.lots[key]

    def move(self, lot: OpenLot, position: int, amount: int) -> None:
        """Bind a transfer to a lot."""
        lot.remaining += amount
        self.writes.entries.append((position, lot, amount))

    def _lots_of(self, account: int) -> list[OpenLot]:
        return [lot for lot in self.earner.lots.values() if lot.account_id == account]
