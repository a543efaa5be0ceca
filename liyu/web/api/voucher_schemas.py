"""Vouchers in the API, as tills check, verify, confirm and take them back."""

from typing import Annotated

from msgspec import Meta, Struct

from liyu.web.api.schemas import Code, ExternalId, Instant, Pin, Reason, StoreCode, Text


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
    use_number: Annotated[
        int, Meta(description="How many uses held with this one; a use that was taken back frees a number.")
    ]
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
    """The verification to take back: by its id, or the last one of a code, or by both where they agree."""

    reason: Reason
    code: Code | None = None
    verification: Annotated[int, Meta(ge=1, le=2**62)] | None = None


class UndoAnswer(Struct):
    """The use is given back and what was booked for the partner is reversed."""

    result: Annotated[str, Meta(description="undone")]
    verification: int
    status: Annotated[str, Meta(description="The voucher's status now.")]
    uses_left: int
