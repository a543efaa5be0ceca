"""What a till asks in the name of whoever stands there, and the ticket that carries a voucher from one step to the next."""

from datetime import timedelta
from typing import Any

from cryptography.fernet import InvalidToken
from msgspec import Struct

from liyu.core.ids import make_token
from liyu.core.sealing import seal, unseal
from liyu.vouchers.shown import VerifyRequest
from liyu.web.actor import actor_of
from liyu.web.limits import count_hit
from liyu.web.partner.staff import AnyRequest, now_of, partner_id_of
from liyu.web.visit import visit_of

DEVICE_COOKIE = "liyu_device"
TICKET_LIFE = timedelta(minutes=10)
"""How long after a voucher was shown it can be verified; the member stands at the till meanwhile."""
_PURPOSE = "till ticket"
_DEVICE_LENGTH = 24
_YEAR = 365 * 24 * 3600


class Ticket(Struct, frozen=True):
    """A voucher that was shown, by its serial number, and whether its holder showed it in the wallet.

    It goes from page to page as it is, so that its time is never prolonged; after `TICKET_LIFE` it is not fresh any more.
    """

    text: str
    serial: int
    in_hand: bool
    is_fresh: bool


def wish_of(request: AnyRequest, store_code: str | None, text: str) -> VerifyRequest:
    """What the till asks of a scan or a typed code; unknown ones are counted for person, device and address (rule 11)."""
    subjects = (
        ("verify_failure", actor_of(request).reference),
        ("verify_failure_device", _device_of(request)),
        ("verify_failure_address", visit_of(request).address),
    )
    return _ask(request, store_code, text, nonce="", subjects=subjects)


def wish_of_ticket(
    request: AnyRequest, store_code: str | None, ticket: Ticket, nonce: str = "", *, pin: str = ""
) -> VerifyRequest:
    """What the till asks of a voucher that it was shown before: no guess, so that nobody's guesses keep it from being used."""
    code = visit_of(request).services.codes.code_of(ticket.serial)
    return _ask(request, store_code, code, nonce=nonce, in_hand=ticket.in_hand, pin=pin or None)


def _ask(request: AnyRequest, store_code: str | None, text: str, **more: Any) -> VerifyRequest:
    """The wish of whoever stands at the till."""
    actor = actor_of(request)
    return VerifyRequest(
        text=text,
        store_code=store_code,
        verifier=actor.reference,
        partner_id=partner_id_of(actor),
        allowed_store_id=actor.store_id,
        **more,
    )


def _device_of(request: AnyRequest) -> str:
    """The name of the browser that stands at the till; it gets one when it first shows a voucher."""
    visit = visit_of(request)
    name = visit.cookies.get(DEVICE_COOKIE)
    if name is None or len(name) != _DEVICE_LENGTH:
        name = make_token()[:_DEVICE_LENGTH]
        visit.set_cookie(DEVICE_COOKIE, name, max_age=_YEAR)
    return name


async def count_attempt(request: AnyRequest) -> None:
    """Count what a person and what an address tries. Raises LimitExceededError."""
    services = visit_of(request).services
    await count_hit(services, "verify", actor_of(request).reference)
    await count_hit(services, "verify_address", visit_of(request).address)


def write_ticket(request: AnyRequest, serial: int, *, in_hand: bool) -> str:
    """What carries a voucher from the first step to the second: a QR code is out of date by then, and its code is secret."""
    text = f"{actor_of(request).reference} {serial} {int(in_hand)} {int(now_of(request).timestamp())}"
    return seal(visit_of(request).services.settings.secret_key, _PURPOSE, text).decode()


def read_ticket(request: AnyRequest, text: str) -> Ticket | None:
    """The ticket that this person got; None for any other text."""
    try:
        opened = unseal(visit_of(request).services.settings.secret_key, _PURPOSE, text.encode())
    except InvalidToken:
        return None
    owner, serial, in_hand, at = opened.split(" ")
    age = now_of(request).timestamp() - int(at)
    if owner != actor_of(request).reference:
        return None
    return Ticket(text, int(serial), in_hand == "1", age <= TICKET_LIFE.total_seconds())
