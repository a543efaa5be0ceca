"""What one event does to one member: points by rule, debts paid first, returns taken back into debt. Pure but for the state."""

from datetime import date, datetime, timedelta

from msgspec import Struct, to_builtins

from liyu.core.clock import local_date
from liyu.core.i18n import N_, Message
from liyu.core.ledger.posting import TransferRow
from liyu.core.money import BASIS_POINTS, POINTS
from liyu.members.points.events import Event, Posted
from liyu.members.points.lots import OpenLot, add_months, draw_points, end_of_month, last_day
from liyu.members.points.post_state import Earner, LotKey, PostState, Purchase, Writes
from liyu.members.points.pricing import RETURN, Line, Rule, keep_within, price, rules_in_force


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


class TierChangeRow(Struct):
    """A change of tier to be kept, and the day until which the new one holds."""

    member_id: int
    from_tier_id: int
    to_tier_id: int
    reason: str
    growth: int
    at: datetime
    until: date


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
    purchase = state.purchases.get(event.reference) if event.type == RETURN else None
    if purchase is not None and purchase.member_id != earner.id:
        return Posted(
            "failed", code="reference_conflict", faults={"reference": Message(N_("This purchase is another member's."))}
        )
    lines = (
        _lines_of_return(state, earner, event, purchase)
        if event.type == RETURN
        else _lines_of(state, earner, writes, event)
    )
    return _post(state, writes, event, earner, lines, fingerprint, actor)


def _answer_again(state: PostState, place: tuple[str, str], fingerprint: str) -> Posted:
    first, points, growth, lines = state.known[place]
    if first != fingerprint:
        words = Message(N_("This reference was already used for another event of this type."))
        return Posted("failed", code="reference_conflict", faults={"reference": words})
    kept = [line if isinstance(line, Line) else Line(**line) for line in lines]
    return Posted("duplicate", points, growth, kept)


def _lines_of(state: PostState, earner: Earner, writes: Writes, event: Event) -> list[Line]:
    multiplier = state.tier_of(earner).multiplier_basis_points
    day = local_date(event.occurred_at, state.zone)
    lines = []
    for rule in rules_in_force(state.rules, event.type, event.occurred_at):
        line = price(rule, event.amount_minor, multiplier)
        for period, cap in _caps(rule, day):
            place = (earner.id, rule.code, period)
            line = keep_within(line, cap - state.used.get(place, 0))
        for period, cap in _caps(rule, day):
            place = (earner.id, rule.code, period)
            state.used[place] = state.used.get(place, 0) + line.points
            writes.uses[place] = (state.used[place], max(cap, state.used[place]))
        lines.append(line)
    return lines


def _caps(rule: Rule, day: date) -> list[tuple[str, int]]:
    caps = [(day.isoformat(), rule.daily_cap), (str(day.year), rule.yearly_cap)]
    return [(period, cap) for period, cap in caps if cap is not None]


def _lines_of_return(state: PostState, earner: Earner, event: Event, purchase: Purchase | None) -> list[Line]:
    """What a return takes back: with a known purchase, all but what the kept part would have earned; else by the rate."""
    amount = abs(event.amount_minor or 0)
    rules = rules_in_force(state.rules, RETURN, event.occurred_at)
    if purchase is None:
        multiplier = state.tier_of(earner).multiplier_basis_points
        taken = [price(rule, amount, multiplier) for rule in rules]
        return [Line(one.rule, one.version, -one.points, -one.growth, one.multiplier_basis_points) for one in taken]
    amount = min(amount, purchase.amount_minor - purchase.returned_minor)
    kept_minor = purchase.amount_minor - purchase.returned_minor - amount
    kept = [price(rule, kept_minor, purchase.multiplier_basis_points) for rule in rules]
    points = min(purchase.points - purchase.returned_points - sum(line.points for line in kept), 10**15)
    purchase.returned_minor += amount
    purchase.returned_points += max(points, 0)
    code, version = (rules[0].code, rules[0].version) if rules else ("purchase", 1)
    growth = amount * purchase.growth // purchase.amount_minor if purchase.amount_minor else 0
    return [Line(code, version, -max(points, 0), -growth, purchase.multiplier_basis_points)]


def _post(
    state: PostState, writes: Writes, event: Event, earner: Earner, lines: list[Line], fingerprint: str, actor: str
) -> Posted:
    points, growth = sum(line.points for line in lines), sum(line.growth for line in lines)
    poster = _Poster(state, writes, event, earner, actor)
    if points > 0:
        poster.give(points, _pending_days(state, event))
    elif points < 0:
        poster.take_back(-points)
    _grow(state, writes, earner, growth, event)
    signed = -abs(event.amount_minor or 0) if event.type == RETURN else event.amount_minor
    writes.events.append(
        EventRow(
            earner.id, event.type, event.reference, signed, event.currency, event.occurred_at, state.now,
            points, growth, lines, fingerprint,
        )
    )  # fmt: skip
    writes.touched.add(earner.external_id)
    state.known[(event.type, event.reference)] = (fingerprint, points, growth, to_builtins(lines))
    if event.type == "purchase":
        multiplier = max((line.multiplier_basis_points for line in lines), default=BASIS_POINTS)
        state.purchases[event.reference] = Purchase(
            0, earner.id, event.amount_minor or 0, points, growth, multiplier, 0, 0
        )
    return Posted("ok", points, growth, lines)


def _pending_days(state: PostState, event: Event) -> int:
    return max((rule.pending_days for rule in rules_in_force(state.rules, event.type, event.occurred_at)), default=0)


def _grow(state: PostState, writes: Writes, earner: Earner, growth: int, event: Event) -> None:
    """Growth moves at once, and so does the tier when a threshold is reached; it never falls here (DESIGN §5)."""
    earner.growth = max(earner.growth + growth, 0)
    current = state.tier_of(earner)
    reached = [tier for tier in state.tiers if tier.threshold <= earner.growth]
    if growth <= 0 or not reached or reached[-1].rank <= current.rank:
        return
    until = end_of_month(add_months(local_date(event.occurred_at, state.zone), reached[-1].validity_months))
    earner.tier_id = reached[-1].id
    writes.tier_changes.append(
        TierChangeRow(
            earner.id, current.id, reached[-1].id, "threshold_reached", earner.growth, event.occurred_at, until
        )
    )


class _Poster:
    """The transfers of one event."""

    def __init__(self, state: PostState, writes: Writes, event: Event, earner: Earner, actor: str) -> None:
        self.state, self.writes, self.event, self.earner, self.actor = state, writes, event, earner, actor

    def give(self, points: int, pending_days: int) -> None:
        """Pay debts first; what is left goes into the lot of its last day, pending while a return is likely."""
        issued = self.state.accounts["points_issued"]
        repaid = min(self.earner.debt, points)
        if repaid:
            self.transfer(issued, self.earner.debt_account, repaid, "repay")
            self.earner.debt -= repaid
        if points == repaid:
            return
        day = local_date(self.event.occurred_at, self.state.zone)
        matures_on = day + timedelta(days=pending_days)
        pending = matures_on > self.state.today
        account = self.earner.pending_account if pending else self.earner.points_account
        expires_on = last_day(self.state.terms.expiry_policy, self.state.terms.expiry_months, day)
        lot = self.lot((account, expires_on, matures_on if pending else None))
        self.move(lot, self.transfer(issued, account, points - repaid, "earn"), points - repaid)

    def take_back(self, points: int) -> None:
        """Take from pending points first, then from usable ones; the rest is a debt (DESIGN rule 5)."""
        clawed_back = self.state.accounts["points_clawed_back"]
        for account in (self.earner.pending_account, self.earner.points_account):
            lots = {lot.id: lot for lot in self._lots_of(account)}
            draws = draw_points(lots.values(), points, today=None)
            taken = sum(draw.amount for draw in draws)
            if not taken:
                continue
            position = self.transfer(account, clawed_back, taken, "clawback")
            for draw in draws:
                self.move(lots[draw.lot_id], position, -draw.amount)
            points -= taken
        if points:
            self.transfer(self.earner.debt_account, clawed_back, points, "debt")
            self.earner.debt += points

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
