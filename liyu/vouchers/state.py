"""What a till's batch knows when it decides: plain values loaded under lock, moved on as the batch goes through."""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from liyu.core.limits import Windows


class StoreName(Struct, array_like=True):
    """What a store is called."""

    zh: str
    en: str


class LastUse(Struct, array_like=True):
    """When and where a voucher was last verified and not taken back; no store for one of the operator's own."""

    verified_at: datetime
    store: StoreName | None


class VoucherState(Struct, array_like=True):
    """A voucher under lock, with whoever holds it."""

    id: int
    generation: int
    redemption_id: int | None
    item_id: int
    partner_id: int | None
    agreement_line_id: int | None
    state: str
    uses: int
    uses_allowed: int
    issued_at: datetime
    expires_at: datetime
    is_frozen: bool
    paper_until: datetime | None
    """Until when its holder has confirmed the use of a code that does not renew."""
    member_id: int | None
    """Who holds it."""
    member_state: str | None
    member_name: str | None
    last_use: LastUse | None
    """Read for vouchers that are used up; what this batch uses is noted here, too."""


class TillTerms(Struct, array_like=True):
    """What an item says of its vouchers at the till; None is nothing."""

    usable_from: datetime | None
    uses_a_day: int | None
    member_uses_a_day: int | None
    paper_confirmed: bool
    store_uses_a_day: int | None


class ItemTerms(Struct, array_like=True):
    """What an item says of its vouchers. `store_ids` None is every store of its partner."""

    sku: str
    zh: str
    en: str
    store_ids: list[int] | None
    till: TillTerms | None = None


class DayLimit(NamedTuple):
    """A limit of a day: of which item, whose uses are counted (`voucher`, `voucher:12`), up to how many, how many there are."""

    item_id: int
    whose: str
    counted: str
    cap: int
    used: int


class PartnerName(Struct, array_like=True):
    """What a partner is called."""

    code: str
    zh: str
    en: str


class TillStore(Struct, array_like=True):
    """An open store at which a verifier stands."""

    id: int
    partner_id: int
    code: str
    zh: str
    en: str


class Done(Struct, array_like=True):
    """A verification that was made before, as a repeat of it is answered."""

    id: int
    voucher_id: int
    use_number: int
    verified_at: datetime
    undone_at: datetime | None
    store_code: str | None
    store: StoreName | None


class TillState(Struct):
    """Everything that a batch of presented vouchers needs, by id, by a store's code in capitals, by verifier and nonce."""

    now: datetime
    zone: ZoneInfo
    vouchers: dict[int, VoucherState]
    items: dict[int, ItemTerms]
    partners: dict[int, PartnerName]
    stores: list[TillStore]
    done: dict[tuple[str, str], Done]
    guesses: Windows
    is_heard: bool = False
    """Whether any webhook is told of verifications."""
    taken_at: dict[int, list[StoreName]] = field(default_factory=dict)
    """The first open stores that take a voucher; read where one was shown at a store that does not."""

    used_today: dict[tuple[int, str], int] = field(default_factory=dict)
    """Uses of the day, by item and by whose they are; read where an item limits them."""

    def limits_of(self, voucher: VoucherState, store: TillStore | None) -> list[DayLimit]:
        """The limits of the day that a use of the voucher at a store counts for."""
        terms = self.items[voucher.item_id].till
        if terms is None:
            return []
        caps = (
            ("voucher", voucher.id, terms.uses_a_day),
            ("member", voucher.member_id, terms.member_uses_a_day),
            ("store", store.id if store else None, terms.store_uses_a_day),
        )
        item = voucher.item_id
        return [
            DayLimit(item, whose, f"{whose}:{number}", cap, self.used_today.get((item, f"{whose}:{number}"), 0))
            for whose, number, cap in caps
            if cap is not None and number is not None
        ]

    def store_called(self, code: str) -> TillStore | None:
        """The open store of a code, however it is written; the very code goes before one that differs in capitals."""
        same = [store for store in self.stores if store.code.upper() == code.upper()]
        return next((store for store in same if store.code == code), same[0] if same else None)

    def store_with(self, store_id: int) -> TillStore | None:
        """The open store of an id."""
        return next((store for store in self.stores if store.id == store_id), None)
