"""What the API takes and gives. These structs read bodies, write answers and describe both in the OpenAPI document."""

from datetime import date, datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from liyu.members.points.events import LARGEST_AMOUNT
from liyu.members.points.pricing import HOST_TYPES
from liyu.redemption.state import LARGEST_QUANTITY

MOST_EVENTS = 1_000

_INSTANT = {"format": "date-time"}
_DAY = {"format": "date"}
_EVENTS = {"items": {"$ref": "#/components/schemas/EventBody"}}
Instant = Annotated[datetime, Meta(extra_json_schema=_INSTANT)]
Day = Annotated[date, Meta(extra_json_schema=_DAY)]
ExternalId = Annotated[str, Meta(min_length=1, max_length=200, description="The host's own id of a member.")]
Sku = Annotated[str, Meta(min_length=1, max_length=200, description="The item's number.")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Reason = Annotated[str, Meta(min_length=1, max_length=200, description="Why; kept with the change.")]
Code = Annotated[str, Meta(min_length=1, max_length=256, description="The voucher's code, or what its QR code says.")]
Pin = Annotated[
    str,
    Meta(
        max_length=20,
        examples=["384 016"],
        description="Six digits from the wallet, which the member says after `confirmation_needed`.",
    ),
]
StoreCode = Annotated[str, Meta(max_length=200, description="The store's code.")]


# Members


class LotAnswer(Struct):
    """Points that lapse at the midnight, in the program's time zone, which ends `expires_on`; null never lapses."""

    expires_on: Day | None
    remaining: int


class MemberAnswer(Struct):
    """A member. The lots, by expiry, sum to the balance; pending points cannot be spent yet; a debt is paid by what comes next."""

    external_id: str
    state: Annotated[str, Meta(examples=["active"], description="pre_registered, active, frozen or closed")]
    tier: Annotated[str, Meta(examples=["gold"], description="The code of the tier.")]
    balance: int
    pending: int
    debt: int
    lots: list[LotAnswer]
    growth: Annotated[int, Meta(description="Growth value: what the tier is counted by; it cannot be spent.")]
    tier_until: Day | None
    card_number: Annotated[
        str | None, Meta(description="The one valid card; null while a lost one is not replaced yet.")
    ]
    name: str | None
    phone: Annotated[str | None, Meta(description="E.164")]
    email: str | None
    birthday: Day | None
    city: str | None
    locale: str | None
    joined_at: Instant


class MemberBody(Struct, forbid_unknown_fields=True):
    """What to know of a member. A field that is left out stays as it is, null clears it."""

    phone: Annotated[
        str | UnsetType | None,
        Meta(examples=["+8613800138000"], description="Numbers without a country are Chinese."),
    ] = UNSET
    email: Annotated[str | UnsetType | None, Meta(examples=["lan@example.com"])] = UNSET
    name: Annotated[str | UnsetType | None, Meta(examples=["林岚"])] = UNSET
    birthday: Annotated[date | UnsetType | None, Meta(examples=["1992-05-20"])] = UNSET
    city: str | UnsetType | None = UNSET
    locale: Annotated[str | UnsetType | None, Meta(description="zh_CN or en")] = UNSET
    state: Annotated[
        str | UnsetType,
        Meta(
            description="pre_registered (for somebody new), active, frozen or closed; a closed membership stays closed"
        ),
    ] = UNSET
    reason: Annotated[str, Meta(max_length=200, description="Why the state changes; kept with the change.")] = ""
    same_person_as: Annotated[
        str | UnsetType,
        Meta(
            description="Another member who is the same natural person: limits for each person count over both, for ever."
        ),
    ] = UNSET


class LineAnswer(Struct):
    """Why some of the points came or went: the rule, its version and the figures it used."""

    rule: str
    version: int
    points: int
    growth: int
    multiplier_basis_points: int
    capped_from: Annotated[int | None, Meta(description="What the rule alone would have given, where a cap cut it.")]


class LedgerEntryAnswer(Struct):
    """One movement: what it did to the usable balance, to the pending points and to the debt."""

    id: int
    event: Annotated[str, Meta(examples=["earn"], description="earn, redeem, lapse, clawback, adjust, cancel, …")]
    source: Annotated[str, Meta(examples=["purchase:A-1001"], description="What caused it.")]
    reason: str
    at: Instant
    points: int
    pending: int
    debt: int
    balance: Annotated[int, Meta(description="Usable points after it.")]
    lines: list[LineAnswer]


class LedgerAnswer(Struct):
    """One page of movements, the newest first."""

    entries: list[LedgerEntryAnswer]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null on the last one.")]


class AdjustmentBody(Struct, forbid_unknown_fields=True):
    """Points to give (> 0) or to take (< 0)."""

    points: Annotated[int, Meta(ge=-1_000_000, le=1_000_000, examples=[200])]
    reason: Annotated[Reason, Meta(examples=["Goodwill for a late delivery"])]


class AdjustmentAnswer(Struct):
    """The adjustment, and the balance after it; pending ones have moved nothing yet."""

    external_id: str
    points: int
    reason: str
    state: Annotated[str, Meta(examples=["done"], description="done; pending until a second person decides; refused")]
    request: Annotated[
        int | None,
        Meta(
            description="Of a pending one: its number. Once approved, the ledger shows it as `adjust:request:<number>`."
        ),
    ]
    balance: int


# Paid memberships


class MembershipBody(Struct, forbid_unknown_fields=True):
    """A paid membership that was sold."""

    plan: Annotated[
        str, Meta(min_length=1, max_length=40, examples=["gold-month"], description="The code of the offer.")
    ]
    reference: Annotated[
        str, Meta(min_length=1, max_length=100, examples=["VIP-2026-118"], description="The number of the sale.")
    ]
    paid_minor: Annotated[int, Meta(ge=0, le=10**12, examples=[3000], description="What was paid; 0 for a gift.")]


class MembershipReturnBody(Struct, forbid_unknown_fields=True):
    """Why a membership is given back."""

    reason: Annotated[Reason, Meta(examples=["Changed their mind"])]


class MembershipAnswer(Struct):
    """A paid membership; it holds from its first through its last day."""

    reference: str
    plan: str
    begins_on: Day
    ends_on: Day
    days: Annotated[int, Meta(description="How many days were bought.")]
    points: Annotated[int, Meta(description="Paid in points, in the mall.")]
    paid_minor: Annotated[int, Meta(description="Paid in money, to the seller.")]
    returned_at: Instant | None
    returned_points: int | None
    returned_minor: Annotated[int | None, Meta(description="What the seller owes for one that was given back.")]


class MembershipsAnswer(Struct):
    """What a member has bought, the latest first."""

    memberships: list[MembershipAnswer]


# Events

Amount = Annotated[
    int,
    Meta(
        ge=-LARGEST_AMOUNT,
        le=LARGEST_AMOUNT,
        examples=[12850],
        description="In minor units; purchases and returns need it.",
    ),
]


class EventBody(Struct, forbid_unknown_fields=True):
    """Something a member did. Type and reference make it unique for ever: sent again, it gives no second point."""

    member: ExternalId
    type: Annotated[str, Meta(examples=["purchase"], description=", ".join(HOST_TYPES))]
    reference: Annotated[
        Text, Meta(examples=["A-1001"], description="The host's own; a return carries that of its purchase.")
    ]
    occurred_at: Annotated[Instant, Meta(examples=["2026-11-22T10:00:00+08:00"], description="With its time zone.")]
    amount_minor: Amount | None = None
    currency: Annotated[str | None, Meta(examples=["CNY"], description="ISO 4217; purchases and returns need it.")] = (
        None
    )
    purchase: Annotated[
        Text | None,
        Meta(
            examples=[None],
            description="Of a return with a reference of its own: the reference of its purchase. So one purchase can have many.",
        ),
    ] = None
    points_part_minor: Annotated[
        Annotated[int, Meta(ge=0, le=LARGEST_AMOUNT)] | None,
        Meta(
            examples=[None],
            description="Of a purchase: the part of the amount that was paid with points. The program says whether it earns.",
        ),
    ] = None


class EventAnswer(Struct):
    """What became of an event; `duplicate` gives the first answer again."""

    status: Annotated[str, Meta(description="ok or duplicate")]
    member: str
    type: str
    reference: str
    points: int
    growth: int
    lines: list[LineAnswer]


class EventBatchBody(Struct, forbid_unknown_fields=True):
    """Up to 1,000 events. The bare array is taken as well."""

    events: Annotated[list[Any], Meta(min_length=1, max_length=MOST_EVENTS, extra_json_schema=_EVENTS)]


class EventRowAnswer(Struct):
    """What became of one row; a failed one has changed nothing and says why."""

    status: Annotated[str, Meta(description="ok, failed or duplicate")]
    member: str | None = None
    type: str | None = None
    reference: str | None = None
    points: int = 0
    growth: int = 0
    lines: list[LineAnswer] = field(default_factory=list)
    code: Annotated[
        str | None,
        Meta(description="Why it failed: invalid_event, unknown_member, member_closed or reference_conflict"),
    ] = None
    message: str | None = None
    fields: Annotated[dict[str, str], Meta(description="Each faulty field with its fault.")] = field(
        default_factory=dict
    )


class EventBatchAnswer(Struct):
    """The counts, and one answer for each row in the order of the rows."""

    ok: int
    failed: int
    duplicate: int
    results: list[EventRowAnswer]


class CursorQuery(Struct):
    """Where to go on."""

    cursor: Annotated[str | None, Meta(description="`next` of the page before.")] = None


# Redemptions


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


# Vouchers


class CheckBody(Struct, forbid_unknown_fields=True):
    """A voucher, and the store that wants to take it."""

    code: Code
    store: StoreCode | None = None


class CheckAnswer(Struct):
    """A voucher that would be accepted here and now."""

    result: Annotated[str, Meta(description="valid")]
    voucher: Annotated[str, Meta(description="The code; masked when it was not the code that was shown.")]
    sku: str
    name: str
    partner: Annotated[str | None, Meta(description="The partner's code.")]
    store: Annotated[str | None, Meta(description="The store's code.")]
    status: str
    uses_left: int
    expires_at: Instant
    member: Annotated[str, Meta(description="The member's name, masked.")]


class VerifyBody(Struct, forbid_unknown_fields=True):
    """A voucher to use up. The same nonce gives the first answer again."""

    code: Code
    nonce: Annotated[Text, Meta(examples=["7f1c2a"], description="The till's own, new for each customer.")]
    store: StoreCode | None = None
    pin: Pin | None = None


class VerifyAnswer(Struct):
    """The voucher is used, and what its partner is owed is booked."""

    result: Annotated[str, Meta(description="verified")]
    voucher: Annotated[str, Meta(description="The code; masked when it was not the code that was shown.")]
    partner: Annotated[str | None, Meta(description="The partner's code.")]
    store: Annotated[str | None, Meta(description="The store's code.")]
    verified_at: Instant
    verification: Annotated[int, Meta(description="What it can be taken back by.")]
    use_number: int
    uses_allowed: int


class ConfirmBody(Struct, forbid_unknown_fields=True):
    """The word of a member for a voucher of theirs that is used by its paper, or typed."""

    member: ExternalId
    voucher: Annotated[Code, Meta(description="The voucher's code, as the member has it.")]


class ConfirmAnswer(Struct):
    """The voucher may be used once by a code that does not renew, until then."""

    result: Annotated[str, Meta(description="confirmed")]
    voucher: str
    confirmed_until: Instant


class UndoBody(Struct, forbid_unknown_fields=True):
    """The verification to take back: by its id, or the last one of a code."""

    reason: Reason
    code: Code | None = None
    verification: Annotated[int, Meta(ge=1, le=2**62)] | None = None


class UndoAnswer(Struct):
    """The use is given back and what was booked for the partner is reversed."""

    result: Annotated[str, Meta(description="undone")]
    verification: int
    status: Annotated[str, Meta(description="The voucher's status now.")]
    uses_left: int


# Refusals


class ReasonAnswer(Struct):
    """One failed condition, with its figures beside it; of a faulty entry, `field` is its name."""

    code: str
    message: str
    field: str | UnsetType = UNSET


class Problem(Struct):
    """A refusal (RFC 9457). Nothing was changed. Programs go by `code`, which is stable."""

    type: str
    title: str
    status: int
    detail: Annotated[str, Meta(description="For people, in the language of Accept-Language.")]
    code: str
    reasons: list[ReasonAnswer] | UnsetType = UNSET
