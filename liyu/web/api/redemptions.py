"""Redemptions: redeem through the desk, read, cancel."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.members.personal.addresses import AddressDraft, check_address
from liyu.redemption.addresses import Delivery, snapshot_of
from liyu.redemption.cancel import cancel_redemption
from liyu.redemption.decide import is_posted
from liyu.redemption.desk import Redeemed
from liyu.redemption.errors import RefusedError
from liyu.redemption.payments.holds import find_hold
from liyu.redemption.queries import RedemptionRecord, VoucherRecord, read_redemption
from liyu.redemption.save import hash_request
from liyu.redemption.shipping.queries import ParcelLine, list_parcels
from liyu.redemption.state import RedeemRequest
from liyu.vouchers.codes import mask_code
from liyu.vouchers.serials import serial_of
from liyu.vouchers.states import OPEN
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import is_storable, read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.idempotency import REPLAYED, answer_once, idempotency_key
from liyu.web.api.problems import json_answer, problem
from liyu.web.api.redemption_schemas import (
    AddressBody,
    CancelBody,
    ParcelAnswer,
    PayAnswer,
    RedeemBody,
    RedemptionAnswer,
    VoucherAnswer,
)
from liyu.web.pages import Page
from liyu.web.services import Services, services_of

ApiRequest = Request[Any, Any, Any]

_TAG = "Redemptions"
_PATH = {"number": "The redemption's number."}
_EXAMPLE = {
    "number": "R4073952816648",
    "status": "confirmed",
    "points": 1980,
    "vouchers": [{"code": "7K3M-P9QX-4TRD", "status": "issued", "expires_at": "2027-02-20T16:00:00Z"}],
    "member": "M-20871",
    "sku": "COF-LATTE",
    "quantity": 1,
}
_REFUSALS = [
    "sold_out",
    "not_enough_points",
    "limit_reached",
    "tier_too_low",
    "not_on_sale",
    "member_frozen",
    "member_not_active",
    "member_closed",
    "payment_unavailable",
    "not_sent_there",
    "idempotency_conflict",
]

_redeem_body = msgspec.json.Decoder(RedeemBody)
_cancel_body = msgspec.json.Decoder(CancelBody)


@post(
    "/redemptions",
    **route(
        Call(
            tag=_TAG,
            scope="redemptions:write",
            summary="Redeem points for an item",
            description=(
                "Points, stock, limits and vouchers change together or not at all. A refusal names every failed condition in "
                "`reasons`, and the first one in `code`. The same Idempotency-Key with the same body gives the first answer again."
            ),
            body=RedeemBody,
            idempotency_key=True,
            answers={201: RedemptionAnswer},
            problems={
                400: ["invalid_json", "idempotency_key_required"],
                404: ["unknown_member", "unknown_item"],
                409: _REFUSALS,
                422: ["invalid_input"],
            },
            example=_EXAMPLE,
        ),
        shortcut=True,
    ),
)
async def post_redemption(request: ApiRequest) -> Page:
    """Redeem. No session is opened here: the desk has a connection of its own, and settles many requests at once."""
    key = idempotency_key(request)
    assert key is not None
    wish = await read_body(request, _redeem_body)
    services, caller = services_of(request.app), caller_of(request).reference
    delivery = _delivery_of(wish.address, wish.sku, services) if wish.address else None
    try:
        redeemed = await services.desk.redeem(
            RedeemRequest(
                scope=caller,
                key=key,
                body_hash=hash_request(wish.member, wish.sku, wish.quantity, delivery.address if delivery else None),
                member=wish.member,
                sku=wish.sku,
                quantity=wish.quantity,
                channel="api",
                actor=caller,
                delivery=delivery,
            )
        )
    except RefusedError as refusal:
        # In a drop most requests end here: answered at once, they do not pass through all layers of error handling.
        services.drops.note(wish.sku, wish.member, refusal)
        return problem(request, refusal)
    answer = _answer_of_desk(redeemed, wish, services)
    if redeemed.state == "held":
        async with services.sessions() as session:
            answer.pay = await _pay_of(await driver_connection(session), redeemed.number, services)
    return json_answer(answer, status=201, headers=[REPLAYED] if redeemed.replayed else ())


@get(
    "/redemptions/{number:str}",
    **route(
        Call(
            tag=_TAG,
            scope="redemptions:read",
            summary="Read a redemption",
            description="A partner's key sees redemptions of its own items, with masked codes.",
            path=_PATH,
            answers={200: RedemptionAnswer},
            problems={404: ["not_found"]},
            example=_EXAMPLE,
        ),
        for_partners=True,
    ),
)
async def get_redemption(request: ApiRequest, number: FromPath[str]) -> Page:
    """Read a redemption."""
    services, partner_id = services_of(request.app), caller_of(request).partner_id
    async with services.sessions() as session:
        connection = await driver_connection(session)
        record = await read_redemption(connection, _known(number), partner_id=partner_id)
        answer = _answer_of_record(record, services, masked=partner_id is not None)
        if record.state == "held":
            answer.pay = await _pay_of(connection, number, services)
        elif is_posted(record.kind):
            answer.shipping = [_parcel_of(parcel) for parcel in await list_parcels(connection, record.id)]
    return json_answer(answer)


@post(
    "/redemptions/{number:str}/cancel",
    **route(
        Call(
            tag=_TAG,
            scope="redemptions:write",
            summary="Cancel a redemption",
            description=(
                "Points go back into their own lots; stock and limits are given back; vouchers are cancelled. A second time "
                "changes nothing. Refused once a voucher was used."
            ),
            path=_PATH,
            body=CancelBody,
            idempotency_key=False,
            answers={200: RedemptionAnswer},
            problems={
                400: ["invalid_json"],
                404: ["not_found"],
                409: ["not_cancellable", "voucher_not_cancellable", "idempotency_conflict"],
                422: ["invalid_input"],
            },
            example=_EXAMPLE
            | {
                "status": "cancelled",
                "vouchers": [{"code": "7K3M-P9QX-4TRD", "status": "cancelled", "expires_at": "2027-02-20T16:00:00Z"}],
            },
        )
    ),
)
async def post_cancellation(request: ApiRequest, number: FromPath[str]) -> Page:
    """Cancel a redemption."""
    services = services_of(request.app)
    body = await read_body(request, _cancel_body)

    async def cancel(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        connection = await driver_connection(session)
        await cancel_redemption(
            connection,
            _known(number),
            member_id=None,
            reason=body.reason,
            actor=caller_of(request).reference,
            now=services.clock.now(),
            zone=services.settings.timezone,
        )
        record = await read_redemption(connection, number)
        return 200, msgspec.to_builtins(_answer_of_record(record, services))

    return await answer_once(request, cancel, required=False)


CALLS = [post_redemption, get_redemption, post_cancellation]


def _delivery_of(given: AddressBody, sku: str, services: Services) -> Delivery:
    """The address in its stored form. Raises InvalidInputError that names every fault."""
    try:
        address = check_address(AddressDraft(**msgspec.structs.asdict(given)))
    except InvalidInputError as refusal:
        faults = {f"address.{reason.details['field']}": reason.message for reason in refusal.reasons}
        raise InvalidInputError.of_fields(faults) from None
    item = services.catalog.snapshot.by_sku.get(sku)
    return Delivery(snapshot_of(address), item.ships_not_to if item else ())


def _known(number: str) -> str:
    """The number, unless no redemption can have it."""
    if not is_storable(number):
        raise NotFoundError
    return number


def _answer_of_desk(redeemed: Redeemed, wish: RedeemBody, services: Services) -> RedemptionAnswer:
    vouchers = [
        VoucherAnswer(services.codes.code_of(voucher_id), "issued", redeemed.expires_at)
        for voucher_id in sorted(redeemed.voucher_ids)
        if redeemed.expires_at
    ]
    return RedemptionAnswer(
        redeemed.number, redeemed.state, redeemed.points, vouchers, wish.member, wish.sku, wish.quantity
    )


def _answer_of_record(record: RedemptionRecord, services: Services, *, masked: bool = False) -> RedemptionAnswer:
    vouchers = []
    for voucher in record.vouchers:
        code = services.codes.code_of(serial_of(voucher.id, voucher.generation))
        is_hidden = masked or voucher.is_given_away
        vouchers.append(
            VoucherAnswer(mask_code(code) if is_hidden else code, _status_of(voucher, services), voucher.expires_at)
        )
    return RedemptionAnswer(
        record.number, record.state, record.points, vouchers, record.member, record.sku, record.quantity
    )


async def _pay_of(connection: AsyncConnection[Any], number: str, services: Services) -> PayAnswer | None:
    """What a held order waits for; None once it does not wait any more."""
    hold = await find_hold(connection, number)
    if hold is None or hold.outcome is not None:
        return None
    address = f"{services.settings.base_url}/redemptions/{number}/pay"
    return PayAnswer(hold.amount_minor, hold.currency, hold.deadline, address)


def _parcel_of(parcel: ParcelLine) -> ParcelAnswer:
    return ParcelAnswer(
        parcel.carrier, parcel.tracking_number, parcel.quantity, parcel.sent_at, parcel.received_at, parcel.follow_href
    )


def _status_of(voucher: VoucherRecord, services: Services) -> str:
    """The voucher's state; one whose time is over counts as expired before the job has marked it."""
    is_over = voucher.state in OPEN and voucher.expires_at <= services.clock.now()
    return "expired" if is_over else voucher.state
