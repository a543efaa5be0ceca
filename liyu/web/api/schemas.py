"""What the whole API takes and gives: its smallest parts, cursors, refusals. Structs read bodies, write answers and describe both
in the OpenAPI document; those of a resource stand in a module of their own.
"""

from datetime import date, datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

_INSTANT = {"format": "date-time"}
_DAY = {"format": "date"}
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


class CursorQuery(Struct):
    """Where to go on."""

    cursor: Annotated[str | None, Meta(description="`next` of the page before.")] = None


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
