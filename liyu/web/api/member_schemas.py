"""Members in the API: profile, ledger, adjustments, paid memberships."""

from datetime import date
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from liyu.web.api.event_schemas import LineAnswer
from liyu.web.api.schemas import Day, Instant, Reason


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
