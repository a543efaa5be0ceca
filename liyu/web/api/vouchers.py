"""Vouchers at the till: look, verify once, take back. A partner's key reaches the partner's own only."""

from typing import Any

import msgspec
from litestar import Request, post
from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection, unit_of_work
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.limits import Subject
from liyu.members.queries import find_member_id
from liyu.vouchers.check import check_at_till
from liyu.vouchers.confirm import confirm_use
from liyu.vouchers.errors import Attempt, UnknownVerificationError, UnknownVoucherError, VoucherRefusedError
from liyu.vouchers.facts import VoucherFacts
from liyu.vouchers.queries import voucher_of_member
from liyu.vouchers.save import keep_attempt
from liyu.vouchers.shown import ALL_GUESSES, VerifyRequest
from liyu.vouchers.tokens import Form
from liyu.vouchers.undo import undo
from liyu.web.api.auth import caller_of
from liyu.web.api.bodies import read_body
from liyu.web.api.calls import Call, route
from liyu.web.api.idempotency import answer_once
from liyu.web.api.problems import json_answer, problem
from liyu.web.api.voucher_schemas import (
    CheckAnswer,
    CheckBody,
    ConfirmAnswer,
    ConfirmBody,
    UndoAnswer,
    UndoBody,
    VerifyAnswer,
    VerifyBody,
)
from liyu.web.i18n import ENGLISH, negotiate_locale
from liyu.web.limits import guessing
from liyu.web.pages import Page
from liyu.web.services import Services, services_of
from liyu.web.visit import visit_of

ApiRequest = Request[Any, Any, Any]

_TAG = "Vouchers"
_SCOPE = "vouchers:verify"
_REFUSALS = [
    "already_verified",
    "wrong_partner",
    "wrong_store",
    "expired",
    "cancelled",
    "not_yet_valid",
    "frozen",
    "gift_pending",
    "confirmation_needed",
    "wrong_pin",
    "pin_locked",
    "claim_needed",
    "not_activated",
    "daily_limit",
    "stale",
]
_PROBLEMS = {
    400: ["invalid_json"],
    404: ["unknown_voucher"],
    409: _REFUSALS,
    422: ["invalid_input", "unknown_store"],
    429: ["too_many_requests"],
}

_check_body = msgspec.json.Decoder(CheckBody)
_verify_body = msgspec.json.Decoder(VerifyBody)
_confirm_body = msgspec.json.Decoder(ConfirmBody)
_undo_body = msgspec.json.Decoder(UndoBody)


@post(
    "/vouchers/check",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="Look at a voucher",
            description="Whether it would be accepted now, without using it; the refusals are those of verifying.",
            body=CheckBody,
            answers={200: CheckAnswer},
            problems=_PROBLEMS,
            example={
                "result": "valid",
                "voucher": "7K3M-P9QX-4TRD",
                "sku": "COF-LATTE",
                "name": "生椰拿铁兑换券",
                "partner": "luckin",
                "store": "luckin-sh-01",
                "status": "issued",
                "uses_left": 1,
                "expires_at": "2027-02-20T16:00:00Z",
                "member": "林**",
            },
        ),
        for_partners=True,
    ),
)
async def post_check(request: ApiRequest) -> Page:
    """Look at a voucher."""
    services = services_of(request.app)
    body = await read_body(request, _check_body)
    wish = wish_of(request, body.code, body.store)
    now, zone = services.clock.now(), services.settings.timezone
    found = await check_at_till(services.sessions, wish, now=now, zone=zone, tokens=services.tokens)
    if found.refusal is not None:
        raise found.refusal
    answer = CheckAnswer(
        result="valid",
        voucher=_shown(services, body.code, found.voucher_id, found.code),
        sku=found.sku,
        name=(_locale_of(request) == ENGLISH and found.item_en) or found.item_zh,
        partner=found.partner_code,
        store=found.store_code,
        status=found.state,
        uses_left=found.uses_left,
        expires_at=found.expires_at,
        member=found.member,
    )
    return json_answer(answer)


@post(
    "/vouchers/verify",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="Verify a voucher",
            description=(
                "Uses it once and books what its partner is owed. The same nonce of the same key gives the first answer again; "
                "with another voucher or store it is a conflict. Too many unknown codes lock the key out for a while. After "
                "`confirmation_needed` the member confirms, in the wallet or the host's app (`/vouchers/confirm`), or tells the "
                "PIN from the wallet; five wrong ones in an hour lock it for the voucher (`pin_locked`)."
            ),
            body=VerifyBody,
            answers={200: VerifyAnswer},
            problems=_PROBLEMS | {409: [*_REFUSALS, "idempotency_conflict"]},
            example={
                "result": "verified",
                "voucher": "7K3M-P9QX-4TRD",
                "partner": "luckin",
                "store": "luckin-sh-01",
                "verified_at": "2026-11-22T02:00:00Z",
                "verification": 4711,
                "use_number": 1,
                "uses_allowed": 1,
            },
        ),
        for_partners=True,
        shortcut=True,
    ),
)
async def post_verification(request: ApiRequest) -> Page:
    """Verify a voucher."""
    services = services_of(request.app)
    body = await read_body(request, _verify_body)
    wish = wish_of(request, body.code, body.store, body.nonce, pin=body.pin)
    try:
        verified = await services.till.verify(wish)
    except VoucherRefusedError as refusal:
        # Answered at once: it need not pass through all layers of error handling.
        return problem(request, refusal)
    answer = VerifyAnswer(
        result="verified",
        voucher=verified.code,
        partner=verified.partner_code,
        store=verified.store_code,
        verified_at=verified.verified_at,
        verification=verified.verification_id,
        use_number=verified.use_number,
        uses_allowed=verified.uses_allowed,
    )
    return json_answer(answer)


@post(
    "/vouchers/undo",
    **route(
        Call(
            tag=_TAG,
            scope=_SCOPE,
            summary="Take a verification back",
            description=(
                "By its id, or the last one of a code, which must agree where both are sent; within the program's window and with "
                "a reason."
            ),
            body=UndoBody,
            answers={200: UndoAnswer},
            problems={
                400: ["invalid_json"],
                404: ["unknown_verification"],
                409: ["already_undone", "undo_too_late", "second_person_needed"],
                422: ["invalid_input"],
                429: ["too_many_requests"],
            },
            example={"result": "undone", "verification": 4711, "status": "issued", "uses_left": 1},
        ),
        for_partners=True,
    ),
)
async def post_undo(request: ApiRequest) -> Page:
    """Take a verification back."""
    services, caller = services_of(request.app), caller_of(request)
    body = await read_body(request, _undo_body)
    if body.code is None and body.verification is None:
        fault = Message(N_("Send a code or a verification."))
        raise InvalidInputError.of_fields({"code": fault, "verification": fault})
    guesses = (*_guesses_of(request), ALL_GUESSES) if body.code is not None else ()
    now = services.clock.now()
    try:
        async with guessing(services, guesses, UnknownVerificationError), unit_of_work(services.sessions) as session:
            undone = await undo(
                await driver_connection(session),
                verification_id=body.verification,
                text=body.code,
                reason=body.reason,
                actor=caller.reference,
                partner_id=caller.partner_id,
                now=now,
                zone=services.settings.timezone,
                window_minutes=services.program.current(services.sessions).undo_minutes,
                tokens=services.tokens,
            )
    except UnknownVerificationError:
        if body.code is not None:
            async with unit_of_work(services.sessions) as session:
                guess = Attempt(caller.reference, None, None, UnknownVoucherError.code, now, caller.partner_id)
                await keep_attempt(await driver_connection(session), guess)
        raise
    return json_answer(UndoAnswer("undone", undone.verification_id, undone.state, undone.uses_left))


@post(
    "/vouchers/confirm",
    **route(
        Call(
            tag=_TAG,
            scope="redemptions:write",
            summary="Confirm a voucher in its member's name",
            description=(
                "For a host that shows the wallet in its own app: the member says that they use the voucher now, though its code "
                "is on paper or typed. It holds for ten minutes and one use; said again, for ten minutes from then. Where the "
                "item asks for no word it changes nothing at the till."
            ),
            body=ConfirmBody,
            idempotency_key=False,
            answers={200: ConfirmAnswer},
            problems={
                400: ["invalid_json"],
                404: ["unknown_member", "unknown_voucher"],
                409: ["not_usable", "idempotency_conflict"],
                422: ["invalid_input"],
            },
            example={
                "result": "confirmed",
                "voucher": "7K3M-P9QX-4TRD",
                "confirmed_until": "2026-11-22T02:10:00Z",
            },
        )
    ),
)
async def post_confirmation(request: ApiRequest) -> Page:
    """Give the holder's word."""
    services, body = services_of(request.app), await read_body(request, _confirm_body)

    async def confirm(session: AsyncSession) -> tuple[int, dict[str, Any]]:
        connection = await driver_connection(session)
        member_id, facts = await find_held(connection, services, body.member, body.voucher)
        until = await confirm_use(connection, member_id=member_id, voucher_id=facts.id, now=services.clock.now())
        return 200, msgspec.to_builtins(ConfirmAnswer("confirmed", services.codes.code_of(facts.serial), until))

    return await answer_once(request, confirm, required=False)


CALLS = [post_check, post_verification, post_confirmation, post_undo]


async def find_held(
    connection: AsyncConnection[Any], services: Services, member: str, code: str
) -> tuple[int, VoucherFacts]:
    """The id of a member, and a voucher that they hold by its code. Raises UnknownMemberError, UnknownVoucherError."""
    member_id = await find_member_id(connection, member)
    presented = services.tokens.read(code, services.clock.now())
    if presented is None:
        raise UnknownVoucherError
    try:
        facts = await voucher_of_member(connection, member_id, presented.voucher_id)
    except NotFoundError as fault:
        raise UnknownVoucherError from fault
    if facts.serial != presented.serial:
        raise UnknownVoucherError
    return member_id, facts


def wish_of(
    request: ApiRequest, code: str, store: str | None, nonce: str = "", *, pin: str | None = None
) -> VerifyRequest:
    """What the till asks; codes that no voucher has are counted for its key and its address (rule 11)."""
    caller = caller_of(request)
    return VerifyRequest(
        text=code,
        store_code=store,
        nonce=nonce,
        verifier=caller.reference,
        partner_id=caller.partner_id,
        pin=pin,
        subjects=_guesses_of(request),
    )


def _guesses_of(request: ApiRequest) -> tuple[Subject, ...]:
    """Under which limits a caller's unknown codes are counted."""
    return ("verify_failure_key", caller_of(request).reference), ("verify_failure_address", visit_of(request).address)


def _shown(services: Services, text: str, voucher_id: int, masked: str) -> str:
    """The code for whoever showed the code; a QR code of the wallet must not give it away."""
    presented = services.tokens.read(text, services.clock.now())
    is_known = presented is not None and presented.form is Form.CODE and presented.voucher_id == voucher_id
    return services.codes.code_of(presented.serial) if presented is not None and is_known else masked


def _locale_of(request: ApiRequest) -> str:
    visit = visit_of(request)
    return negotiate_locale(visit.header(b"accept-language")) or visit.services.settings.locale
