"""Sending orders, for operators and for the partner whose goods they are: one order, and many by a file.

Whose orders may be sent is the first argument (docs/rules.md 16).
"""

import tempfile
from pathlib import Path
from typing import Any

from litestar import Request
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import DomainError, InvalidInputError, NotAllowedError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_token
from liyu.core.storage import open_storage
from liyu.partners.scope import PartnerScope, partner_filter
from liyu.redemption.orderdesk.bulk import Result, act_on_each
from liyu.redemption.queries import list_by_numbers
from liyu.redemption.shipping.batches import (
    ShippingFile,
    apply_file,
    discard_file,
    dry_run,
    list_files,
    load_file,
    take_in,
)
from liyu.redemption.shipping.carriers import CARRIERS
from liyu.redemption.shipping.parcels import Waybill, correct_parcel, send_parcel
from liyu.redemption.shipping.queries import list_to_send
from liyu.redemption.shipping.sheet import read_sheet, write_faults, write_to_send
from liyu.web.actor import actor_of
from liyu.web.after_sales import carrier_choices
from liyu.web.attachments import XLSX, attach
from liyu.web.audit import record_act
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, FileField, Form, IntegerField, TextField
from liyu.web.i18n import gettext, text_of, translate
from liyu.web.order_ticks import read_ticked
from liyu.web.pages import Page
from liyu.web.visit import visit_of

AnyRequest = Request[Any, Any, Any]
LARGEST_UPLOAD = 20 * 1024 * 1024
MOST_SHOWN = 200
TRACKING = "tracking_"
"""Where many are sent at once, the field of an order is named by this and its number."""

NONE_TICKED = N_("Tick some orders first. Nothing was sent.")
SENT = N_("On its way. The member was told.")

FILE_STATES: dict[str, tuple[str, str]] = {
    "ready": (N_("Waits for your yes"), "gold"),
    "applied": (N_("Carried out"), ""),
    "discarded": (N_("Discarded"), "grey"),
}
COLUMNS: dict[str, str] = {
    "number": N_("Order number"),
    "carrier": N_("Carrier"),
    "tracking_number": N_("Tracking number"),
    "quantity": N_("Units in the parcel"),
}


class ParcelForm(Form):
    carrier = ChoiceField(CARRIERS, N_("Carrier"))
    tracking_number = TextField(N_("Tracking number"), maximum=60)
    quantity = IntegerField(N_("Units in the parcel"), required=False, minimum=1, maximum=10_000, default=None)


class ManyForm(Form):
    carrier = ChoiceField(CARRIERS, N_("Carrier"))


class FileForm(Form):
    file = FileField(N_("File of tracking numbers"))


class CursorForm(Form):
    after = IntegerField(required=False, maximum=2**62, default=0)


async def send_one(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, number: str, form: ParcelForm
) -> DomainError | None:
    """Send units of an order, in a savepoint; a refusal is given back, for the page to say."""
    connection = await driver_connection(session)
    try:
        async with connection.transaction():
            units = await send_parcel(
                connection,
                number,
                Waybill(form.carrier, form.tracking_number, form.quantity),
                partner_id=partner_filter(scope),
                actor=actor_of(request).reference,
                now=visit_of(request).services.clock.now(),
            )
    except (NotFoundError, NotAllowedError):
        raise
    except DomainError as refusal:
        return refusal
    after = {"carrier": form.carrier, "tracking_number": form.tracking_number, "units": units}
    await record_act(request, session, "redemption.ship", f"redemption:{number}", after=after)
    return None


async def correct_one(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, number: str, parcel_id: int, form: ParcelForm
) -> DomainError | None:
    """Put what stands on a parcel right, in a savepoint; a refusal is given back, for the page to say."""
    connection = await driver_connection(session)
    try:
        async with connection.transaction():
            await correct_parcel(
                connection,
                number,
                parcel_id,
                Waybill(form.carrier, form.tracking_number),
                partner_id=partner_filter(scope),
            )
    except (NotFoundError, NotAllowedError):
        raise
    except DomainError as refusal:
        return refusal
    after = {"parcel": parcel_id, "carrier": form.carrier, "tracking_number": form.tracking_number}
    await record_act(request, session, "redemption.ship", f"redemption:{number}", after=after)
    return None


async def look_at_many(scope: PartnerScope, request: AnyRequest, session: AsyncSession) -> dict[str, Any]:
    """What the page needs on which the orders that were ticked get a carrier and a tracking number each."""
    return await _many(scope, request, session, ManyForm.blank())


async def send_many(scope: PartnerScope, request: AnyRequest, session: AsyncSession) -> dict[str, Any]:
    """Send all units of each order that was ticked and given a tracking number, each by itself; what its page needs."""
    form = await ManyForm.read(request)
    if not form.is_valid:
        return await _many(scope, request, session, form)
    connection, now = await driver_connection(session), visit_of(request).services.clock.now()
    given = await request.form()

    async def send(number: str) -> None:
        waybill = Waybill(form.carrier, str(given.get(f"{TRACKING}{number}", "")).strip())
        if not waybill.tracking_number:
            raise InvalidInputError.of_fields({"tracking_number": Message(N_("No tracking number was given."))})
        await send_parcel(
            connection, number, waybill, partner_id=partner_filter(scope), actor=actor_of(request).reference, now=now
        )

    results = await act_on_each(connection, await read_ticked(request), send)
    if done := [one.number for one in results if one.is_done]:
        after = {"carrier": form.carrier, "orders": done}
        await record_act(request, session, "redemption.ship", "redemption:many", after=after)
    return await _many(scope, request, session, form, results)


async def _many(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, form: ManyForm, results: list[Result] | None = None
) -> dict[str, Any]:
    numbers, given = await read_ticked(request), await request.form()
    known = await list_by_numbers(await driver_connection(session), numbers, partner_id=partner_filter(scope))
    told = {one.number: one for one in results or ()}
    return {
        "form": form,
        "lines": known,
        "results": told,
        "waiting": [one.number for one in known if one.number not in told or not told[one.number].is_done],
        "typed": {number: str(given.get(f"{TRACKING}{number}", "")) for number in numbers},
        "tracking": TRACKING,
        "carriers": carrier_choices(),
    }


async def read_desk(scope: PartnerScope, request: AnyRequest, session: AsyncSession) -> dict[str, Any]:
    """What the page of what is to be sent needs: a page of orders, and the files so far."""
    form = CursorForm.parse(request.query_params.dict())
    after = form.after if form.is_valid else 0
    connection = await driver_connection(session)
    orders, cursor = await list_to_send(connection, partner_filter(scope), after=after or 0)
    return {
        "orders": orders,
        "is_first": not after,
        "next": cursor,
        "files": await list_files(connection, partner_filter(scope)),
        "carriers": carrier_choices(),
        "file_states": FILE_STATES,
        "largest": LARGEST_UPLOAD // (1024 * 1024),
    }


async def download(scope: PartnerScope, request: AnyRequest, session: AsyncSession) -> Page:
    """Everything that is to be sent as a workbook; it takes addresses out, which is an audit event."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "to-send.xlsx"
        orders = await write_to_send(
            await driver_connection(session),
            partner_filter(scope),
            path,
            translate=gettext,
            name_of=text_of,
            zone=current_zone(),
        )
        await record_act(request, session, "shipping.export", "redemption:to_send", after={"orders": orders})
        return attach(path.read_bytes(), XLSX, "to-send.xlsx")


async def upload(scope: PartnerScope, request: AnyRequest, session: AsyncSession, form: FileForm) -> int:
    """Take a file in; its id. Nothing is sent yet."""
    assert form.file is not None
    services = visit_of(request).services
    storage, name = open_storage(services.settings), f"imports/{make_token()}"
    digest = await storage.put(name, await form.file.read(), "application/octet-stream")
    file_name = form.file.filename.replace("\0", "")[:200]
    upload_id = await take_in(
        await driver_connection(session), partner_filter(scope), file_name, name, actor=actor_of(request).reference,
        now=services.clock.now(),
    )  # fmt: skip
    await record_act(
        request, session, "shipping.upload", f"shipping:{upload_id}", after={"file": file_name, "sha256": digest}
    )
    return upload_id


async def read_file(scope: PartnerScope, request: AnyRequest, session: AsyncSession, upload_id: int) -> dict[str, Any]:
    """What the page of a file needs: what it would do now, or what it did."""
    connection = await driver_connection(session)
    found = await load_file(connection, partner_filter(scope), upload_id)
    plan = None
    if found.state == "ready":
        plan = await dry_run(connection, open_storage(visit_of(request).services.settings), found)
    return {"found": found, "plan": plan, "most": MOST_SHOWN, "file_states": FILE_STATES, "columns": COLUMNS}


async def apply(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, upload_id: int
) -> Message | DomainError:
    """Send what the file says; words about it, or the refusal."""
    connection, services = await driver_connection(session), visit_of(request).services
    try:
        async with connection.transaction():
            plan = await apply_file(
                connection, open_storage(services.settings), partner_filter(scope), upload_id, actor=actor_of(request).reference,
                now=services.clock.now(),
            )  # fmt: skip
    except NotFoundError:
        raise
    except DomainError as refusal:
        return refusal
    await record_act(request, session, "shipping.apply", f"shipping:{upload_id}", after={"parcels": len(plan.parcels)})
    return Message(N_("%(parcels)s parcels are on their way."), {"parcels": len(plan.parcels)})


async def discard(
    scope: PartnerScope, request: AnyRequest, session: AsyncSession, upload_id: int
) -> Message | DomainError:
    """Say no to a file; words about it, or the refusal."""
    try:
        await discard_file(await driver_connection(session), partner_filter(scope), upload_id)
    except NotFoundError:
        raise
    except DomainError as refusal:
        return refusal
    await record_act(request, session, "shipping.discard", f"shipping:{upload_id}")
    return Message(N_("The file is discarded. Nothing was sent."))


async def download_faults(scope: PartnerScope, request: AnyRequest, session: AsyncSession, upload_id: int) -> Page:
    """The rows that are at fault now, with what is wrong, to be mended and sent again."""
    connection = await driver_connection(session)
    found: ShippingFile = await load_file(connection, partner_filter(scope), upload_id)
    storage = open_storage(visit_of(request).services.settings)
    plan = await dry_run(connection, storage, found)
    words: dict[int, str] = {}
    for fault in plan.faults:
        said = f"{gettext(COLUMNS.get(fault.column, fault.column))}: {translate(fault.message)}"
        words[fault.row] = f"{words[fault.row]}; {said}" if fault.row in words else said
    rows, _ = read_sheet(await storage.get(found.storage_name))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "faults.xlsx"
        write_faults(rows, words, path, gettext)
        return attach(path.read_bytes(), XLSX, f"shipping-{upload_id}-faults.xlsx")
