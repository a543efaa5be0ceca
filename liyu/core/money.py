"""Money is integer minor units with an ISO 4217 currency; points are integers. No float touches either (docs/rules.md 1)."""

POINTS = "PTS"
DEFAULT_CURRENCY = "CNY"
BASIS_POINTS = 10_000
