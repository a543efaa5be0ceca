"""Events in the API: what members did, and what came of it."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from liyu.members.points.events import LARGEST_AMOUNT
from liyu.members.points.pricing import HOST_TYPES
from liyu.web.api.schemas import ExternalId, Instant, Text

MOST_EVENTS = 1_000
_EVENTS = {"items": {"$ref": "#/components/schemas/EventBody"}}
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


class LineAnswer(Struct):
    """Why some of the points came or went: the rule, its version and the figures it used."""

    rule: str
    version: int
    points: int
    growth: int
    multiplier_basis_points: int
    capped_from: Annotated[int | None, Meta(description="What the rule alone would have given, where a cap cut it.")]


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
