"""What a till asks in the name of whoever stands there, and the ticket that carries a voucher from one step to the next."""

from datetime import timedelta

from cryptography.fernet import InvalidToken
from msgspec import Struct

from liyu.core.ids import make_token
from liyu.core.sealing import seal, unseal
from liyu.vouchers.verify import VerifyRequest
from liyu.web.actor import actor_of
from liyu.web.limits import count_hit
from liyu.web.partner.staff import AnyRequest, now_of, partner_id_of
from liyu.web.visit import visit_of

DEVICE_COOKIE = "liyu_device"
TICKET_LIFE = timedelta(minutes=10)
"""How long after looking at a voucher it can be verified; the member stands at the till meanwhile."""
_PURPOSE = "till ticket"
_DEVICE_LENGTH = 24
_YEAR = 365 * 24 * 3600


class Ticket(Struct, frozen=True):
    """A voucher that was looked at, by its serial number, and whether its holder showed it in the wallet."""

    serial: int
    in_hand: bool


def wish_of(
    request: AnyRequest,
    store_code: str | None,
    text: str,
    nonce: str = "",
    *,
    in_hand: bool = False,
    pin: str = "",
) -> VerifyRequest:
    """What the till asks; codes that no voucher has are counted for the person, the device and the address (rule 11)."""
    actor = actor_of(request)
    return VerifyRequest(
        text=text,
        store_code=store_code,
        nonce=nonce,
        verifier=actor.reference,
        partner_id=partner_id_of(actor),
        allowed_store_id=actor.store_id,
        in_hand=in_hand,
        pin=pin or None,
        subjects=(
            ("verify_failure", actor.reference),
            ("verify_failure_device", _device_of(request)),
            ("verify_failure_address", visit_of(request).address),
        ),
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
    for subject in (actor_of(request).reference, f"address:{visit_of(request).address}"):
        await count_hit(visit_of(request).services, "verify", subject)


def write_ticket(request: AnyRequest, serial: int, *, in_hand: bool) -> str:
    """What carries a voucher from the first step to the second: a QR code is out of date by then, and its code is secret."""
    text = f"{actor_of(request).reference} {serial} {int(in_hand)} {int(now_of(request).timestamp())}"
    return seal(visit_of(request).services.settings.secret_key, _PURPOSE, text).decode()


def read_ticket(request: AnyRequest, ticket: str) -> Ticket | None:
    """The voucher of a ticket that this person got a moment ago; None for any other."""
    try:
        text = unseal(visit_of(request).services.settings.secret_key, _PURPOSE, ticket.encode())
    except InvalidToken:
        return None
    owner, serial, in_hand, at = text.split(" ")
    age = now_of(request).timestamp() - int(at)
    is_good = owner == actor_of(request).reference and age <= TICKET_LIFE.total_seconds()
    return Ticket(int(serial), in_hand == "1") if is_good else None
