"""Where the goods of an order are to go: what the chosen address said at that moment, kept with the order."""

from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_one
from liyu.members.personal.addresses import AddressDraft, region_of


class DeliveryAddress(Struct, frozen=True):
    """An address as goods are sent to it; the phone is in E.164. Later changes of the address book leave it as it is."""

    recipient: str
    phone: str
    province: str
    city: str
    district: str
    detail: str

    @property
    def region(self) -> str:
        """Province, city and district as they stand on a parcel."""
        return region_of(self.province, self.city, self.district)


class Delivery(Struct, frozen=True):
    """Where goods are to go, and the provinces that the item is not sent to, by the catalog when it was asked for."""

    address: DeliveryAddress
    left_out: tuple[str, ...] = ()

    @property
    def is_possible(self) -> bool:
        """Whether the item is sent there."""
        return is_sent_to(self.address.province, self.left_out)


def is_sent_to(province: str, left_out: tuple[str, ...]) -> bool:
    """Whether goods go to a province; those left out may be named in short: 西藏 is 西藏自治区."""
    return not any(province.startswith(name) for name in left_out)


def snapshot_of(address: AddressDraft) -> DeliveryAddress:
    """What an address says now; its label and rank in the address book do not matter to a parcel."""
    return DeliveryAddress(**{name: getattr(address, name) for name in DeliveryAddress.__struct_fields__})


async def find_delivery_address(connection: AsyncConnection[Any], redemption_id: int) -> DeliveryAddress | None:
    """Where an order goes; None where nobody said, and after the member was erased."""
    columns = ", ".join(DeliveryAddress.__struct_fields__)
    return await fetch_one(
        connection,
        DeliveryAddress,
        f"SELECT {columns} FROM redemption_address WHERE redemption_id = %s",
        (redemption_id,),
    )
