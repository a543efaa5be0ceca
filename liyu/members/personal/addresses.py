"""Addresses 收货地址: several for each member, one of them the default."""

from datetime import datetime
from typing import Any

from msgspec import Struct, structs
from psycopg import AsyncConnection

from liyu.core.database import fetch_all, fetch_one
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.members.personal.divisions import cities_of, division_code, is_division, provinces
from liyu.members.personal.errors import TooManyAddressesError
from liyu.members.personal.locking import lock_open_member
from liyu.members.profile import parse_phone

MOST_ADDRESSES = 20
LONGEST_RECIPIENT = 50
LONGEST_DETAIL = 200
LONGEST_LABEL = 20
_MUNICIPALITY_PARTS = ("市辖区", "县")
"""What stands in the place of a city in the municipalities; nobody writes it on a parcel."""


class AddressDraft(Struct, kw_only=True):
    """An address as it is typed."""

    recipient: str
    phone: str
    province: str
    city: str
    district: str
    detail: str
    label: str = ""
    is_default: bool = False


class Address(AddressDraft, kw_only=True):
    """An address of a member; the phone is in E.164."""

    id: int

    @property
    def region(self) -> str:
        """Province, city and district as they stand on a parcel."""
        return region_of(self.province, self.city, self.district)


def region_of(province: str, city: str, district: str) -> str:
    """Three levels of divisions in one word; what only fills a level is left out."""
    city = "" if city in _MUNICIPALITY_PARTS else city
    return "".join(dict.fromkeys(part for part in (province, city, district) if part))


_COLUMNS = "recipient, phone, province, city, district, detail, label, is_default"
_READ = f"SELECT id, {_COLUMNS} FROM member_address WHERE member_id = %(member)s"
_INSERT = f"""
    INSERT INTO member_address (member_id, {_COLUMNS}, division_code, changed_at)
    VALUES (%(member)s, %(recipient)s, %(phone)s, %(province)s, %(city)s, %(district)s, %(detail)s, %(label)s, %(is_default)s,
        %(division_code)s, %(now)s)
    RETURNING id"""
_UPDATE = """
    UPDATE member_address SET recipient = %(recipient)s, phone = %(phone)s, province = %(province)s, city = %(city)s,
        district = %(district)s, detail = %(detail)s, label = %(label)s, is_default = %(is_default)s,
        division_code = %(division_code)s, changed_at = %(now)s
    WHERE id = %(id)s AND member_id = %(member)s"""
_NO_DEFAULT = "UPDATE member_address SET is_default = false WHERE member_id = %s AND is_default"
_NEWEST_IS_DEFAULT = """
    UPDATE member_address SET is_default = true
    WHERE id = (SELECT max(id) FROM member_address WHERE member_id = %(member)s)
        AND NOT EXISTS (SELECT FROM member_address WHERE member_id = %(member)s AND is_default)"""


async def list_addresses(connection: AsyncConnection[Any], member_id: int) -> list[Address]:
    """A member's addresses, the default first, then the newest."""
    return await fetch_all(connection, Address, f"{_READ} ORDER BY is_default DESC, id DESC", {"member": member_id})


async def find_address(connection: AsyncConnection[Any], member_id: int, address_id: int) -> Address:
    """One of the member's own addresses. Raises NotFoundError."""
    address = await fetch_one(connection, Address, f"{_READ} AND id = %(id)s", {"member": member_id, "id": address_id})
    if address is None:
        raise NotFoundError
    return address


async def save_address(
    connection: AsyncConnection[Any],
    member_id: int,
    draft: AddressDraft,
    *,
    now: datetime,
    address_id: int | None = None,
) -> int:
    """Add an address, or change one of the member's own; returns its id. The first one is the default in any case.

    Raises InvalidInputError with every fault, NotFoundError, TooManyAddressesError or MemberClosedError.
    """
    draft = check_address(draft)
    await lock_open_member(connection, member_id)
    present = await list_addresses(connection, member_id)
    if address_id is None and len(present) >= MOST_ADDRESSES:
        raise TooManyAddressesError(most=MOST_ADDRESSES)
    if address_id is not None and address_id not in {address.id for address in present}:
        raise NotFoundError
    # The default is given up by naming another one, so that there is always one.
    is_default = draft.is_default or all(one.id == address_id for one in present if one.is_default)
    if is_default:
        await connection.execute(_NO_DEFAULT, (member_id,))
    values = structs.asdict(draft) | {
        "member": member_id,
        "id": address_id,
        "is_default": is_default,
        "division_code": division_code(draft.province, draft.city, draft.district),
        "now": now,
    }
    if address_id is not None:
        await connection.execute(_UPDATE, values)
        return address_id
    row = await (await connection.execute(_INSERT, values)).fetchone()
    assert row is not None
    return int(row[0])


async def make_default(connection: AsyncConnection[Any], member_id: int, address_id: int) -> None:
    """Send to this address unless another is chosen. Raises NotFoundError or MemberClosedError."""
    await lock_open_member(connection, member_id)
    await find_address(connection, member_id, address_id)
    await connection.execute(_NO_DEFAULT, (member_id,))
    await connection.execute(
        "UPDATE member_address SET is_default = true WHERE id = %s AND member_id = %s", (address_id, member_id)
    )


async def delete_address(connection: AsyncConnection[Any], member_id: int, address_id: int) -> None:
    """Delete an address; the newest of the others becomes the default. Raises NotFoundError or MemberClosedError."""
    await lock_open_member(connection, member_id)
    gone = await connection.execute(
        "DELETE FROM member_address WHERE id = %s AND member_id = %s", (address_id, member_id)
    )
    if not gone.rowcount:
        raise NotFoundError
    await connection.execute(_NEWEST_IS_DEFAULT, {"member": member_id})


def check_address(draft: AddressDraft) -> AddressDraft:
    """The address in its stored form. Raises InvalidInputError that names every fault."""
    texts: dict[str, Any] = {
        name: value.strip() for name, value in structs.asdict(draft).items() if isinstance(value, str)
    }
    draft = structs.replace(draft, **texts)
    faults = {}
    for name, most in (("recipient", LONGEST_RECIPIENT), ("detail", LONGEST_DETAIL)):
        if not 0 < len(getattr(draft, name)) <= most:
            faults[name] = Message(N_("Must have 1 to %(most)s characters."), {"most": most})
    if len(draft.label) > LONGEST_LABEL:
        faults["label"] = Message(N_("Use at most %(maximum)s characters."), {"maximum": LONGEST_LABEL})
    phone = parse_phone(draft.phone)
    if phone is None:
        faults["phone"] = Message(N_("Enter a mobile number, such as 138 0013 8000."))
    faults |= _check_division(draft)
    if faults:
        raise InvalidInputError.of_fields({name: faults[name] for name in draft.__struct_fields__ if name in faults})
    return structs.replace(draft, phone=phone)


def _check_division(draft: AddressDraft) -> dict[str, Message]:
    """The first level that does not fit: those below hang on it."""
    if draft.province not in provinces():
        return {"province": Message(N_("Choose the province."))}
    if draft.city not in cities_of(draft.province):
        return {"city": Message(N_("Choose the city."))}
    if not is_division(draft.province, draft.city, draft.district):
        return {"district": Message(N_("Choose the district."))}
    return {}
