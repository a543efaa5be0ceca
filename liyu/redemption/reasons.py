"""Why an order is given back, as codes: screens offer them, transitions keep them, words stand where they are shown."""

CANCEL_REASONS: tuple[str, ...] = ("changed_mind", "wrong_choice", "takes_too_long", "wrong_address")
"""What members choose from."""

STAFF_REASONS: tuple[str, ...] = (
    "member_asked",
    "out_of_stock",
    "address_unreachable",
    "lost_on_the_way",
    "suspected_abuse",
)
"""What operators choose from, with free words beside."""

AFTER_SALE_REASONS: dict[str, tuple[str, ...]] = {
    "return": ("changed_mind", "damaged", "wrong_item", "not_as_described", "parts_missing"),
    "exchange": ("damaged", "wrong_item", "wrong_size", "parts_missing"),
    "refund": ("not_received", "parts_missing", "does_not_work"),
}
"""The reasons of each kind of request."""
