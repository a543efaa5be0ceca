"""The address book: several addresses, one of them the default; province, city and district hang on each other."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.members.personal.addresses import (
    LONGEST_DETAIL,
    LONGEST_LABEL,
    LONGEST_RECIPIENT,
    MOST_ADDRESSES,
    AddressDraft,
    delete_address,
    find_address,
    list_addresses,
    make_default,
    save_address,
)
from liyu.members.personal.divisions import cities_of, districts_of, only_choice, provinces
from liyu.web.actor import actor_of
from liyu.web.acts import carry_out
from liyu.web.audit import record_act
from liyu.web.formats import format_phone
from liyu.web.forms import CheckField, Form, TextField
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.pages import Page, fragment, leave_notice, local_path, page, redirect
from liyu.web.visit import visit_of

PATH = "/account/addresses"
_DIVISIONS = "divisions"


class DivisionForm(Form):
    province = TextField(N_("Province"), required=False, maximum=40)
    city = TextField(N_("City"), required=False, maximum=40)
    district = TextField(N_("District"), required=False, maximum=40)


class AddressForm(DivisionForm):
    recipient = TextField(N_("Recipient"), required=False, maximum=LONGEST_RECIPIENT)
    phone = TextField(N_("Mobile number"), required=False, maximum=40)
    detail = TextField(N_("Street, house, room"), required=False, maximum=LONGEST_DETAIL)
    label = TextField(N_("Label"), required=False, maximum=LONGEST_LABEL)
    is_default = CheckField(N_("Default address"))
    step = TextField(required=False, maximum=20)
    next = TextField(required=False)


@get(PATH)
async def show_addresses(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """All addresses."""
    found = await list_addresses(await driver_connection(session), member_id_of(actor_of(request)))
    return page(request, "mall/addresses.html", tab="me", addresses=found, is_full=len(found) >= MOST_ADDRESSES)


@get(f"{PATH}/new")
async def show_new(request: AnyRequest) -> Page:
    """An empty form; `next` is the page of ours that waits for the new address."""
    return _show_form(request, AddressForm.blank(next=local_path(request.query_params.get("next"), "")))


@get(f"{PATH}/{_DIVISIONS}")
async def show_divisions(request: AnyRequest) -> Page:
    """The three choices alone, for the province and city that were picked."""
    form = DivisionForm.parse(request.query_params.dict())
    return fragment(request, "mall/_divisions.html", form=form, **_choices(form))


@post(f"{PATH}/new")
async def add_address(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Add an address."""
    return await _save(request, session, None)


@get(f"{PATH}/{{address_id:int}}")
async def show_address(request: AnyRequest, session: NamedDependency[AsyncSession], address_id: FromPath[int]) -> Page:
    """The form with one address."""
    address = await find_address(await driver_connection(session), member_id_of(actor_of(request)), address_id)
    said = {name: getattr(address, name) for name in AddressDraft.__struct_fields__}
    return _show_form(request, AddressForm.blank(**said | {"phone": format_phone(address.phone)}), address_id)


@post(f"{PATH}/{{address_id:int}}")
async def change_address(
    request: AnyRequest, session: NamedDependency[AsyncSession], address_id: FromPath[int]
) -> Page:
    """Change an address."""
    await find_address(await driver_connection(session), member_id_of(actor_of(request)), address_id)
    return await _save(request, session, address_id)


@post(f"{PATH}/{{address_id:int}}/default")
async def choose_default(
    request: AnyRequest, session: NamedDependency[AsyncSession], address_id: FromPath[int]
) -> Page:
    """Send to this one from now on."""
    await make_default(await driver_connection(session), member_id_of(actor_of(request)), address_id)
    leave_notice(request, N_("This is the default address now."))
    return redirect(request, PATH)


@post(f"{PATH}/{{address_id:int}}/delete")
async def remove_address(
    request: AnyRequest, session: NamedDependency[AsyncSession], address_id: FromPath[int]
) -> Page:
    """Delete an address."""
    await delete_address(await driver_connection(session), member_id_of(actor_of(request)), address_id)
    await record_act(request, session, "address.delete", f"address:{address_id}")
    leave_notice(request, N_("The address is deleted."))
    return redirect(request, PATH)


async def _save(request: AnyRequest, session: AsyncSession, address_id: int | None) -> Page:
    form = await AddressForm.read(request)
    if form.raw["step"] == _DIVISIONS:
        # Without JavaScript the choices below a province come with the form itself; nothing is saved yet.
        form.faults.clear()
        return _show_form(request, form, address_id)
    connection, member_id = await driver_connection(session), member_id_of(actor_of(request))
    saved = None
    if form.is_valid:
        draft = AddressDraft(**{name: getattr(form, name) for name in AddressDraft.__struct_fields__})
        act = save_address(connection, member_id, draft, now=now_of(request), address_id=address_id)
        saved = await carry_out(connection, form, act)
    if saved is None:
        return _show_form(request, form, address_id, status=422)
    await record_act(request, session, "address.save", actor_of(request).reference)
    leave_notice(request, N_("The address is saved."))
    waiting = local_path(form.next, "")
    return redirect(request, f"{waiting}{'&' if '?' in waiting else '?'}address={saved}" if waiting else PATH)


def _show_form(request: AnyRequest, form: Form, address_id: int | None = None, status: int = 200) -> Page:
    context = {"form": form, "address_id": address_id, "back": local_path(form.raw["next"], PATH), **_choices(form)}
    if visit_of(request).is_fragment:
        return fragment(request, "mall/_address_form.html", status=status, **context)
    return page(request, "mall/address.html", status=status, tab="me", **context)


def _choices(form: Form) -> dict[str, Any]:
    """What can be chosen on each level; a choice that does not hang on the one above is dropped, the only one is made."""
    raw = form.raw
    cities = cities_of(raw["province"])
    raw["city"] = raw["city"] if raw["city"] in cities else only_choice(cities)
    districts = districts_of(raw["province"], raw["city"])
    raw["district"] = raw["district"] if raw["district"] in districts else only_choice(districts)
    return {
        "provinces": [(name, name) for name in provinces()],
        "cities": [(name, name) for name in cities],
        "districts": [(name, name) for name in districts],
    }


ROUTES = [
    show_addresses,
    show_new,
    show_divisions,
    add_address,
    show_address,
    change_address,
    choose_default,
    remove_address,
]
