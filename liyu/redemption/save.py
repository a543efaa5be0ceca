"""Saving a batch: the outcomes become rows, the rows travel in one round trip of pipelined bulk statements."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field, structs
from psycopg import AsyncConnection

from liyu.core.bulk import Bigints, encode_rows, insert_of, record_of
from liyu.core.clock import start_of_day
from liyu.core.idempotency import hash_body
from liyu.core.ids import make_number
from liyu.core.money import POINTS
from liyu.redemption.addresses import DeliveryAddress
from liyu.redemption.decide import first_state, gives_vouchers, is_posted
from liyu.redemption.drops.offers import OfferTaken, take_offers
from liyu.redemption.load import LOCK_STOCKS
from liyu.redemption.payments.split import HOLD_TIME
from liyu.redemption.state import Answer, DeskState, Granted, Ids, ItemState, RedeemRequest, Refused
from liyu.redemption.topup import orders as top_ups

STOCK_CHANNEL = "stock"
_KEY_PREFIX = "redeem:"


class _GrantedRow(Struct):
    """One granted redemption, from which the statement makes the rows of most tables."""

    id: int
    number: str
    member_id: int
    item_id: int
    quantity: int
    points: int
    cash_minor: int
    state: str
    channel: str
    actor: str
    transfer_id: int
    account_id: int
    sku: str
    lot_ids: Bigints
    drawn: Bigints
    pool_codes: Bigints
    voucher_ids: Bigints
    partner_id: int | None = None
    agreement_line_id: int | None = None
    uses_allowed: int | None = None
    expires_at: datetime | None = None


class _LimitRow(Struct):
    item_id: int
    member_id: int
    period: str
    used: int
    cap: int


class _HoldRow(Struct):
    redemption_id: int
    amount_minor: int
    deadline: datetime
    agreement_line_id: int | None
    uses: int
    voucher_days: int


class _AddressRow(DeliveryAddress, frozen=True, kw_only=True):
    redemption_id: int


class _AnswerRow(Struct):
    scope: str
    key: str
    body_hash: str
    status: int
    answer: Answer


_USE_LIMITS = insert_of("limit_use", _LimitRow, "%(limits)s") + (
    " ON CONFLICT (item_id, member_id, period) DO UPDATE SET used = limit_use.used + excluded.used, cap = excluded.cap"
)
_HOLD_COLUMNS = ", ".join(_HoldRow.__struct_fields__)
_SAVE_ALWAYS = f"""
    WITH granted AS MATERIALIZED (SELECT * FROM {record_of(_GrantedRow, "%(granted)s")}),
    redemptions AS (
        INSERT INTO redemption (id, number, member_id, item_id, quantity, points, cash_minor, state, channel, created_at)
        SELECT id, number, member_id, item_id, quantity, points, cash_minor, state, channel, %(now)s FROM granted),
    transitions AS (
        INSERT INTO redemption_transition (redemption_id, to_state, reason, actor, at)
        SELECT id, state, 'redeemed', actor, %(now)s FROM granted),
    transfers AS (
        INSERT INTO transfer (id, debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
        SELECT transfer_id, account_id, %(redeemed)s, points, '{POINTS}', 'redeem', number, sku, actor,
            '{_KEY_PREFIX}' || id, %(now)s
        FROM granted WHERE points > 0),
    draws AS MATERIALIZED (
        SELECT transfer_id, lot_id, amount FROM granted CROSS JOIN unnest(lot_ids, drawn) AS d(lot_id, amount)),
    entries AS (
        INSERT INTO lot_entry (transfer_id, lot_id, amount) SELECT transfer_id, lot_id, -amount FROM draws),
    lots AS (
        UPDATE lot SET remaining = lot.remaining - d.amount
        FROM (SELECT lot_id, sum(amount) AS amount FROM draws GROUP BY lot_id) AS d WHERE lot.id = d.lot_id),
    balances AS (
        UPDATE account SET balance = balance - g.points
        FROM (SELECT account_id, sum(points) AS points FROM granted WHERE points > 0 GROUP BY account_id) AS g
        WHERE account.id = g.account_id),
    limits AS ({_USE_LIMITS}),
    codes AS (
        UPDATE pool_code SET redemption_id = g.id, assigned_at = now()
        FROM (SELECT id, unnest(pool_codes) AS code FROM granted) AS g
        WHERE pool_code.id = g.code AND pool_code.redemption_id IS NULL),
    vouchers AS (
        INSERT INTO voucher (id, redemption_id, member_id, item_id, partner_id, agreement_line_id, state, uses, uses_allowed,
            issued_at, expires_at)
        SELECT v.id, g.id, member_id, item_id, partner_id, agreement_line_id, 'issued', 0, uses_allowed, %(now)s, expires_at
        FROM granted AS g CROSS JOIN unnest(voucher_ids) AS v(id)),
    answers AS (
        INSERT INTO idempotent_answer (scope, key, body_hash, status, answer, at)
        SELECT scope, key, body_hash, status, answer, %(now)s FROM {record_of(_AnswerRow, "%(answers)s")})"""
_PLACE_HOLDS = f"""
    INSERT INTO payment_hold ({_HOLD_COLUMNS}, currency) SELECT {_HOLD_COLUMNS}, (SELECT currency FROM program)
    FROM {record_of(_HoldRow, "%(holds)s")}"""
_KEEP_ADDRESSES = insert_of("redemption_address", _AddressRow, "%(addresses)s")
_SAVE = {
    (holds, addresses): _SAVE_ALWAYS
    + (f", holds AS ({_PLACE_HOLDS})" if holds else "")
    + (f", addresses AS ({_KEEP_ADDRESSES})" if addresses else "")
    + " SELECT"
    for holds in (False, True)
    for addresses in (False, True)
}
"""Most batches hold and send nothing, and do not pay for a part of the statement that writes nothing."""
_CLAIM_STOCKS = f"""
    WITH locked AS MATERIALIZED ({LOCK_STOCKS}),
    claimed AS (
        UPDATE item_stock SET taken = item_stock.taken + r.amount
        FROM unnest(%(items)b::bigint[], %(amounts)b::bigint[]) AS r(id, amount) JOIN locked ON locked.item_id = r.id
        WHERE item_stock.item_id = r.id RETURNING item_stock.item_id)
    SELECT pg_notify('{STOCK_CHANNEL}', item_id::text) FROM claimed"""


class Batch(Struct):
    """What one batch writes."""

    now: datetime
    granted: list[_GrantedRow] = field(default_factory=list)
    limits: dict[tuple[int, int, str], _LimitRow] = field(default_factory=dict)
    stocks: dict[int, int] = field(default_factory=dict)
    answers: list[_AnswerRow] = field(default_factory=list)
    holds: list[_HoldRow] = field(default_factory=list)
    top_ups: list[int] = field(default_factory=list)
    addresses: list[_AddressRow] = field(default_factory=list)
    offers: list[OfferTaken] = field(default_factory=list)


def add_refused(batch: Batch, request: RedeemRequest, refused: Refused) -> Answer:
    """Note a refusal: only the answer to its idempotency key is kept."""
    answer = Answer(refused=refused.reasons)
    batch.answers.append(_AnswerRow(request.scope, request.key, request.body_hash, 409, answer))
    return answer


def add_granted(batch: Batch, state: DeskState, request: RedeemRequest, granted: Granted, ids: Ids) -> Answer:
    """Turn one granted request into what is written of it, and return its answer."""
    item = granted.item
    is_held = item.cash_minor > 0
    first = "held" if is_held else first_state(item.kind)
    row = _GrantedRow(
        ids.redemptions.pop(), make_number("R"), granted.member_id, item.id, granted.quantity, granted.points,
        item.cash_minor * granted.quantity, first, request.channel, request.actor, ids.transfers.pop(), granted.account_id,
        item.sku, [draw.lot_id for draw in granted.draws], [draw.amount for draw in granted.draws], granted.pool_codes, [],
    )  # fmt: skip
    if is_held:
        batch.holds.append(_hold_of(row, item, state.now))
    elif gives_vouchers(item.kind):
        _add_vouchers(row, state, item, ids)
    elif item.kind == top_ups.KIND:
        batch.top_ups.append(row.id)
    answer = Answer(None, row.id, row.number, first, row.points, row.voucher_ids, row.expires_at)
    batch.granted.append(row)
    batch.answers.append(_AnswerRow(request.scope, request.key, request.body_hash, 201, answer))
    batch.stocks[item.id] = batch.stocks.get(item.id, 0) + granted.claimed
    if granted.offer is not None:
        batch.offers.append(OfferTaken(granted.offer.id, row.id, state.now))
    if request.delivery is not None and is_posted(item.kind):
        batch.addresses.append(_AddressRow(redemption_id=row.id, **structs.asdict(request.delivery.address)))
    _add_limits(batch, granted)
    return answer


def _add_limits(batch: Batch, granted: Granted) -> None:
    for limit in granted.limits:
        place = (granted.item.limits_id, limit.holder_id, limit.period)
        row = batch.limits.setdefault(place, _LimitRow(*place, 0, limit.cap))
        row.used += granted.quantity


def _add_vouchers(row: _GrantedRow, state: DeskState, item: ItemState, ids: Ids) -> None:
    row.voucher_ids = [ids.vouchers.pop() for _ in range(row.quantity)]
    row.partner_id, row.agreement_line_id, row.uses_allowed = item.partner_id, item.agreement_line_id, item.uses
    row.expires_at = end_of_validity(state, item.voucher_days)


def _hold_of(row: _GrantedRow, item: ItemState, now: datetime) -> _HoldRow:
    """Vouchers are issued when the cash part is paid, on the terms of now."""
    return _HoldRow(row.id, row.cash_minor, now + HOLD_TIME, item.agreement_line_id, item.uses, item.voucher_days)


def end_of_validity(state: DeskState, days: int) -> datetime:
    """The midnight, in the program's zone, that ends the last of so many days after today."""
    return _end_of_validity(state.today, state.zone, days)


@lru_cache(maxsize=1024)
def _end_of_validity(today: date, zone: ZoneInfo, days: int) -> datetime:
    return start_of_day(today + timedelta(days=days + 1), zone)


async def save(connection: AsyncConnection[Any], batch: Batch, redeemed_account: int) -> None:
    """Write the batch and commit, in one round trip. Points go to the system account of what was redeemed.

    Raises psycopg's IntegrityError when a constraint of the database finds what the decision missed.
    """
    values = {
        "now": batch.now,
        "redeemed": redeemed_account,
        "granted": encode_rows(batch.granted),
        # In one order everywhere: a person's limit is met by batches of different members and of different variants.
        "limits": encode_rows([row for _, row in sorted(batch.limits.items())]),
        "answers": encode_rows(batch.answers),
        "holds": encode_rows(batch.holds),
        "addresses": encode_rows(batch.addresses),
    }
    async with connection.pipeline():
        await connection.execute(_SAVE[bool(batch.holds), bool(batch.addresses)], values)
        if batch.offers:
            await take_offers(connection, batch.offers)
        if batch.top_ups:
            await top_ups.order_top_ups(connection, batch.top_ups, batch.now)
        if batch.stocks:
            # The stock of a hot item is what everybody waits for: it is claimed last. Where there was plenty when it was read
            # and others were quicker, its CHECK refuses the batch.
            await connection.execute(
                _CLAIM_STOCKS, {"items": list(batch.stocks), "amounts": list(batch.stocks.values())}
            )
        await connection.execute("COMMIT")


def redeem_key(redemption_id: int) -> str:
    """The key of the transfer that pays a redemption. Ids ascend, so the unique index grows at its end and stays in memory."""
    return f"{_KEY_PREFIX}{redemption_id}"


def hash_request(member: str, sku: str, quantity: int, address: DeliveryAddress | None = None) -> str:
    """The canonical body of a redemption: spacing and order of the sent JSON do not matter.

    Of an address only a fingerprint is in it: bodies are kept longer than what is known of a person.
    """
    body: list[str | int] = [member, sku, quantity]
    if address is not None:
        body.append(hash_body(msgspec.json.encode(address)))
    return msgspec.json.encode(body).decode()


def hash_for_member(body_hash: str, member: str) -> str:
    """The same canonical body, asked for by another member."""
    return msgspec.json.encode([member, *msgspec.json.decode(body_hash)[1:]]).decode()
