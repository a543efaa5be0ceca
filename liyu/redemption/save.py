"""Saving a batch: the outcomes become rows, the rows travel in one round trip of pipelined bulk statements."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field, structs
from psycopg import AsyncConnection

from liyu.core.bulk import all_of, encode_rows, insert_of, record_of
from liyu.core.clock import start_of_day
from liyu.core.idempotency import hash_body
from liyu.core.ids import make_number
from liyu.core.ledger.posting import INSERT_TRANSFERS, MOVE_BALANCES, BalanceChange, TransferRow
from liyu.core.money import POINTS
from liyu.members.points.rows import INSERT_ENTRIES, MOVE_LOTS, LotChange, LotEntryRow
from liyu.redemption.addresses import DeliveryAddress
from liyu.redemption.decide import first_state, gives_vouchers, is_posted
from liyu.redemption.drops.offers import OfferTaken, take_offers
from liyu.redemption.load import LOCK_STOCKS
from liyu.redemption.payments.split import HOLD_TIME
from liyu.redemption.state import Answer, DeskState, Granted, Ids, RedeemRequest, Refused

STOCK_CHANNEL = "stock"


class _RedemptionRow(Struct):
    id: int
    number: str
    member_id: int
    item_id: int
    quantity: int
    points: int
    cash_minor: int
    state: str
    channel: str
    created_at: datetime


class _TransitionRow(Struct):
    redemption_id: int
    to_state: str
    reason: str
    actor: str
    at: datetime


class _LimitRow(Struct):
    item_id: int
    member_id: int
    period: str
    used: int
    cap: int


class VoucherRow(Struct):
    """A voucher to be written."""

    id: int
    redemption_id: int
    member_id: int
    item_id: int
    partner_id: int | None
    agreement_line_id: int | None
    state: str
    uses: int
    uses_allowed: int
    issued_at: datetime
    expires_at: datetime


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
    at: datetime


class _Amount(Struct):
    id: int
    amount: int


_ASSIGN_CODES = (
    "UPDATE pool_code SET redemption_id = r.amount, assigned_at = now() "
    "FROM json_to_recordset(%s::json) AS r(id bigint, amount bigint) WHERE pool_code.id = r.id AND pool_code.redemption_id IS NULL"
)
_USE_LIMITS = insert_of("limit_use", _LimitRow) + (
    " ON CONFLICT (item_id, member_id, period) DO UPDATE SET used = limit_use.used + excluded.used, cap = excluded.cap"
)
_HOLD_COLUMNS = ", ".join(_HoldRow.__struct_fields__)
_PLACE_HOLDS = (
    f"INSERT INTO payment_hold ({_HOLD_COLUMNS}, currency) SELECT {_HOLD_COLUMNS}, (SELECT currency FROM program) "
    f"FROM {record_of(_HoldRow)}"
)
_STATEMENTS = [
    insert_of("redemption", _RedemptionRow),
    insert_of("redemption_transition", _TransitionRow),
    INSERT_TRANSFERS,
    INSERT_ENTRIES,
    MOVE_LOTS,
    MOVE_BALANCES,
    _USE_LIMITS,
    insert_of("voucher", VoucherRow),
    _ASSIGN_CODES,
    insert_of("idempotent_answer", _AnswerRow),
]
_SAVE = {
    (holds, addresses): all_of(
        [
            *_STATEMENTS,
            *([_PLACE_HOLDS] if holds else []),
            *([insert_of("redemption_address", _AddressRow)] if addresses else []),
        ]
    )
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
    """The rows of one batch, table by table."""

    redemptions: list[_RedemptionRow] = field(default_factory=list)
    transitions: list[_TransitionRow] = field(default_factory=list)
    transfers: list[TransferRow] = field(default_factory=list)
    entries: list[LotEntryRow] = field(default_factory=list)
    lots: dict[int, int] = field(default_factory=dict)
    balances: dict[int, int] = field(default_factory=dict)
    stocks: dict[int, int] = field(default_factory=dict)
    limits: dict[tuple[int, int, str], _LimitRow] = field(default_factory=dict)
    vouchers: list[VoucherRow] = field(default_factory=list)
    codes: list[_Amount] = field(default_factory=list)
    answers: list[_AnswerRow] = field(default_factory=list)
    holds: list[_HoldRow] = field(default_factory=list)
    addresses: list[_AddressRow] = field(default_factory=list)
    offers: list[OfferTaken] = field(default_factory=list)


def add_refused(batch: Batch, state: DeskState, request: RedeemRequest, refused: Refused) -> Answer:
    """Note a refusal: only the answer to its idempotency key is kept."""
    answer = Answer(request.body_hash, refused=refused.reasons)
    batch.answers.append(_AnswerRow(request.scope, request.key, request.body_hash, 409, answer, state.now))
    return answer


def add_granted(
    batch: Batch, state: DeskState, request: RedeemRequest, granted: Granted, ids: Ids, redeemed_account: int
) -> Answer:
    """Turn one granted request into rows of every table it touches, and return its answer."""
    item, redemption_id = granted.item, ids.redemptions.pop()
    is_held = item.cash_minor > 0
    number, first = make_number("R"), "held" if is_held else first_state(item.kind)
    batch.redemptions.append(
        _RedemptionRow(
            redemption_id, number, granted.member_id, item.id, granted.quantity, granted.points,
            item.cash_minor * granted.quantity, first, request.channel, state.now,
        )
    )  # fmt: skip
    batch.transitions.append(_TransitionRow(redemption_id, first, "redeemed", request.actor, state.now))
    batch.stocks[item.id] = batch.stocks.get(item.id, 0) + granted.claimed
    if granted.offer is not None:
        batch.offers.append(OfferTaken(granted.offer.id, redemption_id, state.now))
    batch.codes += [_Amount(code, redemption_id) for code in granted.pool_codes]
    _add_points(batch, state, request, granted, ids.transfers.pop(), redemption_id, number, redeemed_account)
    _add_limits(batch, granted)
    if request.delivery is not None and is_posted(item.kind):
        batch.addresses.append(_AddressRow(redemption_id=redemption_id, **structs.asdict(request.delivery.address)))
    answer = Answer(request.body_hash, None, redemption_id, number, first, granted.points)
    if is_held:
        _add_hold(batch, state, granted, redemption_id)
    elif gives_vouchers(item.kind):
        _add_vouchers(batch, state, granted, ids, answer)
    batch.answers.append(_AnswerRow(request.scope, request.key, request.body_hash, 201, answer, state.now))
    return answer


def _add_points(
    batch: Batch,
    state: DeskState,
    request: RedeemRequest,
    granted: Granted,
    transfer_id: int,
    redemption_id: int,
    number: str,
    redeemed: int,
) -> None:
    if not granted.points:
        return
    batch.transfers.append(
        TransferRow(
            id=transfer_id, debit_account_id=granted.account_id, credit_account_id=redeemed, amount=granted.points,
            unit=POINTS, event="redeem", source=number, reason=granted.item.sku, actor=request.actor,
            key=redeem_key(redemption_id), at=state.now,
        )
    )  # fmt: skip
    batch.balances[granted.account_id] = batch.balances.get(granted.account_id, 0) - granted.points
    for draw in granted.draws:
        batch.entries.append(LotEntryRow(transfer_id, draw.lot_id, -draw.amount))
        batch.lots[draw.lot_id] = batch.lots.get(draw.lot_id, 0) - draw.amount


def _add_limits(batch: Batch, granted: Granted) -> None:
    for limit in granted.limits:
        place = (granted.item.limits_id, limit.holder_id, limit.period)
        row = batch.limits.setdefault(place, _LimitRow(*place, 0, limit.cap))
        row.used += granted.quantity


def _add_vouchers(batch: Batch, state: DeskState, granted: Granted, ids: Ids, answer: Answer) -> None:
    assert answer.redemption_id is not None
    item = granted.item
    answer.voucher_ids = [ids.vouchers.pop() for _ in range(granted.quantity)]
    answer.expires_at = end_of_validity(state, item.voucher_days)
    batch.vouchers += [
        VoucherRow(
            voucher_id, answer.redemption_id, granted.member_id, item.id, item.partner_id, item.agreement_line_id,
            "issued", 0, item.uses, state.now, answer.expires_at,
        )
        for voucher_id in answer.voucher_ids
    ]  # fmt: skip


def _add_hold(batch: Batch, state: DeskState, granted: Granted, redemption_id: int) -> None:
    """Vouchers are issued when the cash part is paid, on the terms of now."""
    item = granted.item
    batch.holds.append(
        _HoldRow(
            redemption_id, item.cash_minor * granted.quantity, state.now + HOLD_TIME, item.agreement_line_id, item.uses,
            item.voucher_days,
        )
    )  # fmt: skip


def end_of_validity(state: DeskState, days: int) -> datetime:
    """The midnight, in the program's zone, that ends the last of so many days after today."""
    return _end_of_validity(state.today, state.zone, days)


@lru_cache(maxsize=1024)
def _end_of_validity(today: date, zone: ZoneInfo, days: int) -> datetime:
    return start_of_day(today + timedelta(days=days + 1), zone)


async def save(connection: AsyncConnection[Any], batch: Batch) -> None:
    """Write the batch and commit, in one round trip.

    Raises psycopg's IntegrityError when a constraint of the database finds what the decision missed.
    """
    tables: list[list[Any]] = [
        batch.redemptions,
        batch.transitions,
        batch.transfers,
        batch.entries,
        [LotChange(*change) for change in sorted(batch.lots.items())],
        [BalanceChange(*change) for change in sorted(batch.balances.items())],
        # In one order everywhere: a person's limit is met by batches of different members and of different variants.
        [row for _, row in sorted(batch.limits.items())],
        batch.vouchers,
        batch.codes,
        batch.answers,
    ]
    tables += [rows for rows in (batch.holds, batch.addresses) if rows]
    statement = _SAVE[bool(batch.holds), bool(batch.addresses)]
    async with connection.pipeline():
        await connection.execute(statement, [encode_rows(rows) for rows in tables])
        if batch.offers:
            await take_offers(connection, batch.offers)
        if batch.stocks:
            # The stock of a hot item is what everybody waits for: it is claimed last. Where there was plenty when it was read
            # and others were quicker, its CHECK refuses the batch.
            await connection.execute(
                _CLAIM_STOCKS, {"items": list(batch.stocks), "amounts": list(batch.stocks.values())}
            )
        await connection.execute("COMMIT")


def redeem_key(redemption_id: int) -> str:
    """The key of the transfer that pays a redemption. Ids ascend, so the unique index grows at its end and stays in memory."""
    return f"redeem:{redemption_id}"


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
