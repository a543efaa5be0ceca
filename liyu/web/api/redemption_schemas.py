"""Redemptions in the API, with their vouchers, parcels and payment."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from liyu.redemption.state import LARGEST_QUANTITY
from liyu.web.api.schemas import ExternalId, Instant, Sku


class AddressBody(Struct, forbid_unknown_fields=True):
    """Where goods are to go. Province, city and district are those of the address book: 浙江省, 杭州市, 西湖区."""

    recipient: Annotated[str, Meta(examples=["林岚"])]
    phone: Annotated[str, Meta(examples=["+8613800138000"], description="Numbers without a country are Chinese.")]
    province: Annotated[str, Meta(examples=["浙江省"])]
    city: Annotated[str, Meta(examples=["杭州市"])]
    district: Annotated[str, Meta(examples=["西湖区"])]
    detail: Annotated[str, Meta(examples=["文三路 1 号"], description="Street, house, room.")]


class RedeemBody(Struct, forbid_unknown_fields=True):
    """What a member wants."""

    member: ExternalId
    sku: Sku
    quantity: Annotated[int, Meta(ge=1, le=LARGEST_QUANTITY)] = 1
    address: Annotated[
        AddressBody | None, Meta(description="Where goods are to go; kept with the order. Other kinds keep none.")
    ] = None


class VoucherAnswer(Struct):
    """A voucher. Partners' keys see the code masked: they learn it from the member."""

    code: Annotated[str, Meta(examples=["7K3M-P9QX-4TRD"])]
    status: Annotated[
        str, Meta(description="issued, offered (waiting as a gift), partly_used, used_up, expired or cancelled")
    ]
    expires_at: Instant


class ParcelAnswer(Struct):
    """A parcel of an order."""

    carrier: Annotated[str, Meta(description="SF, ZTO, YTO, STO, YUNDA, EMS or JD")]
    tracking_number: str
    quantity: int
    sent_at: Instant
    received_at: Instant | None
    follow: Annotated[str, Meta(description="A page that follows the parcel.")]


class PayAnswer(Struct):
    """What a held order waits for."""

    amount_minor: int
    currency: str
    deadline: Annotated[datetime, Meta(description="When the order is released if it is not paid.")]
    address: Annotated[str, Meta(description="The page on which the member pays, signed in.")]


class RedemptionAnswer(Struct, omit_defaults=True):
    """A redemption. `points` are those of all units together."""

    number: Annotated[str, Meta(examples=["R4073952816648"])]
    status: Annotated[str, Meta(description="held, confirmed, fulfilling, completed, released, cancelled or refunded")]
    points: int
    vouchers: list[VoucherAnswer]
    member: str
    sku: str
    quantity: int
    pay: Annotated[PayAnswer | None, Meta(description="Only while the order is held.")] = None
    shipping: Annotated[list[ParcelAnswer], Meta(description="Only once something was sent.")] = []


class CancelBody(Struct, forbid_unknown_fields=True):
    """Why; may be left out."""

    reason: Annotated[str, Meta(max_length=200)] = ""
