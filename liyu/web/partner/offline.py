"""A device at the till: bound by a code, in contact while there is a network, and telling what it took without one."""

from base64 import b64encode
from datetime import datetime
from typing import Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection, unit_of_work
from liyu.core.errors import BusyError, IdempotencyConflictError, InvalidInputError
from liyu.core.i18n import N_
from liyu.redemption.fulfil import complete_when_used_up
from liyu.vouchers.offline.devices import Device, find_device, pair
from liyu.vouchers.offline.errors import UnknownDeviceError, WrongPairingCodeError
from liyu.vouchers.offline.leases import give_lease
from liyu.vouchers.offline.lists import OfflineItem, fetch_changes, fetch_items, hash_vouchers, list_key
from liyu.vouchers.offline.uses import OfflineEntry, TakenIn, take_in
from liyu.web.actor import Actor, actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.csrf import make_token
from liyu.web.formats import current_zone
from liyu.web.forms import Form, IntegerField, TextField
from liyu.web.i18n import current_locale, text_of
from liyu.web.installable import cache_name
from liyu.web.limits import guessing
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.partner.offline_install import CACHES
from liyu.web.partner.offline_words import use_words
from liyu.web.partner.staff import AnyRequest, now_of, partner_id_of
from liyu.web.visit import visit_of

DEVICE_COOKIE = "liyu_till"
HOME = "/partner/till"
MOST_AT_ONCE = 50
_YEAR = 365 * 24 * 3600
_JSON = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_GUESSES = "verify_failure"
_MAY_VERIFY = require_permission("vouchers.verify")


class PairForm(Form):
    code = TextField(N_("Code of the device"), maximum=40)


class ContactForm(Form):
    held = IntegerField(required=False, maximum=2**62, default=None)
    cursor = TextField(required=False, maximum=100)


class Told(Struct):
    """What a device sends: what it took, and what its clock says now."""

    sent_at: datetime
    uses: list[OfflineEntry]


@get("/till", guards=[_MAY_VERIFY])
async def show_this_device(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What this browser may take without a network and what it took; or a field for the code that binds it to a device."""
    return _device_page(request, await _own_device(request, session), PairForm.blank())


@post("/till/pair", guards=[_MAY_VERIFY])
async def bind_this_device(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Bind this browser to the device whose code is typed."""
    form, visit, actor = await PairForm.read(request), visit_of(request), actor_of(request)
    if form.is_valid:
        try:
            async with guessing(visit.services, ((_GUESSES, actor.reference),), WrongPairingCodeError):
                device_id, token = await pair(
                    await driver_connection(session),
                    partner_id_of(actor),
                    form.code,
                    store_id=actor.store_id,
                    now=now_of(request),
                    left=_token_of(request),
                )
        except WrongPairingCodeError as refusal:
            form.refuse(refusal.message, "code")
    if not form.is_valid:
        return _device_page(request, await _own_device(request, session), form, status=422)
    _keep_token(request, token)
    await record_act(request, session, "devices.pair", f"till_device:{device_id}")
    leave_notice(request, N_("This device is ready. It now takes paper vouchers without a network, too."))
    return redirect(request, HOME)


@get("/till/contact")
async def show_contact(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All that a device needs for a time without a network: its bounds, keys, items, and what is no good any more.

    To somebody who has no till at its store only that what it took can be sent: whoever of the partner signs in does that.
    """
    form = ContactForm.parse(request.query_params.dict())
    now, visit, actor = now_of(request), visit_of(request), actor_of(request)
    device = await _find_device(request, session)
    answer: dict[str, Any] = {"now": now, "csrf": make_token(visit), "takes_in": device is not None, "device": None}
    if device is None or not form.is_valid or not _works_there(actor, device):
        return Page(msgspec.json.encode(answer), headers=_JSON)
    connection, services = await driver_connection(session), visit.services
    assert actor.staff_id is not None
    _keep_token(request, _token_of(request))
    # The bounds are given before the list is read: what comes between is on the list and counts as not told.
    lease = None
    if device.may_take:
        lease = await give_lease(connection, device, staff_id=actor.staff_id, held=form.held, now=now)
    changes = await fetch_changes(connection, device.partner_id, form.cursor or None, now=now)
    key = list_key(services.settings.secret_key, device.id)
    items = await fetch_items(connection, device.partner_id, device.store_id)
    answer |= {
        "device": {"id": device.id, "name": device.name, "store": text_of(device, "store")},
        "lease": lease
        and {"id": lease.id, "quota": lease.quota, "cap_minor": lease.cap_minor, "expires_at": lease.expires_at},
        "zone": current_zone().key,
        "keys": [b64encode(one).decode() for one in services.tokens.public_keys],
        "key": b64encode(key).decode(),
        "items": [_item_row(item) for item in items],
        "gone": hash_vouchers(changes.gone, services.tokens, key),
        "back": hash_vouchers(changes.back, services.tokens, key),
        "cursor": changes.cursor,
        "files": cache_name(request, CACHES),
        "more": changes.more,
        "anew": changes.anew,
    }
    return Page(msgspec.json.encode(answer), headers=_JSON)


@post("/till/uses")
async def take_in_uses(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What a device took without a network; told twice, it is answered as the first time. Each use stands alone.

    Whoever of its partner is signed in may send it: who took it is known by the lease.
    """
    device = await _find_device(request, session)
    if device is None:
        raise UnknownDeviceError
    try:
        told = msgspec.json.decode(await request.body(), type=Told)
    except msgspec.DecodeError:
        raise InvalidInputError from None
    if len(told.uses) > MOST_AT_ONCE or told.sent_at.tzinfo is None:
        raise InvalidInputError
    if not all(entry.is_sensible for entry in told.uses):
        raise InvalidInputError
    taken = [await _take_in(request, device, entry, told.sent_at) for entry in told.uses]
    results = [
        {
            "nonce": one.nonce,
            "state": "conflict" if one.conflict else "verified",
            "conflict": one.conflict,
            "bearer": one.bearer,
        }
        for one in taken
        if one is not None
    ]
    return Page(msgspec.json.encode({"results": results}), headers=_JSON)


def _item_row(item: OfflineItem) -> dict[str, Any]:
    """What the device shows and judges of an item, in the language of whoever works there."""
    return {
        "id": item.id,
        "name": text_of(item, "name"),
        "rules": item.rules_en if current_locale() == "en" and item.rules_en else item.rules_zh,
        "value": item.value_minor,
        "here": item.here,
        "alone": item.alone,
        "coupon": item.coupon,
        "from": item.usable_from,
    }


async def _take_in(request: AnyRequest, device: Device, entry: OfflineEntry, sent_at: datetime) -> TakenIn | None:
    """One use in a transaction of its own; None for one that is to be told again."""
    services, now = visit_of(request).services, now_of(request)
    try:
        async with unit_of_work(services.sessions) as own:
            taken = await take_in(
                await driver_connection(own),
                device,
                entry,
                skew=sent_at - now,
                now=now,
                zone=current_zone(),
                tokens=services.tokens,
                on_used_up=complete_when_used_up,
            )
            if not taken.repeated:
                after = {"device": device.id, "verification": taken.verification_id, "conflict": taken.conflict}
                await record_act(request, own, "vouchers.offline", f"offline_use:{entry.nonce}", after=after)
            return taken
    except IdempotencyConflictError:
        return TakenIn(entry.nonce, None, "unknown_voucher", "partner")
    except BusyError:
        return None


def _works_there(actor: Actor, device: Device) -> bool:
    """Whether the person has a till at the store of a device."""
    return actor.may("vouchers.verify") and actor.store_id in (None, device.store_id)


async def _own_device(request: AnyRequest, session: AsyncSession) -> Device | None:
    """The device that this browser is bound to, if whoever is signed in works there."""
    device = await _find_device(request, session)
    return device if device and _works_there(actor_of(request), device) else None


def _token_of(request: AnyRequest) -> str:
    visit = visit_of(request)
    return visit.cookies.get(visit.cookie_name(DEVICE_COOKIE)) or ""


def _keep_token(request: AnyRequest, token: str) -> None:
    """For a year from now, so that a device in use does not lose what binds it."""
    visit = visit_of(request)
    visit.set_cookie(visit.cookie_name(DEVICE_COOKIE), token, max_age=_YEAR)


async def _find_device(request: AnyRequest, session: AsyncSession) -> Device | None:
    """The device of the partner that this browser is bound to."""
    token = _token_of(request)
    if not token:
        return None
    return await find_device(await driver_connection(session), partner_id_of(actor_of(request)), token)


def _device_page(request: AnyRequest, device: Device | None, form: PairForm, *, status: int = 200) -> Page:
    return page(
        request,
        "partner/this_device.html",
        status=status,
        device=device,
        form=form,
        words=use_words(),
    )


ROUTES = [show_this_device, bind_this_device, show_contact, take_in_uses]
