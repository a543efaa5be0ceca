"""Rights 权益 of a tier: what its members get, as lines with an icon."""

from msgspec import Struct


class TierRight(Struct, frozen=True):
    """One right; English falls back to Chinese."""

    icon: str
    title_zh: str
    title_en: str = ""


RIGHT_ICONS = (
    "sparkles", "coins", "gift", "ticket", "cake", "crown", "medal", "bell", "clock", "truck", "coffee", "utensils", "bed",
    "plane", "car", "film", "heart-pulse", "shopping-bag", "message-circle", "shield-check",
)  # fmt: skip
"""The icons that an operator can choose from."""

LONGEST_TITLE = 60
MOST_RIGHTS = 12
