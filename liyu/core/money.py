"""Money is integer minor units with an ISO 4217 currency; points are integers. No float touches either (DESIGN rule 1)."""

POINTS = "PTS"
DEFAULT_CURRENCY = "CNY"
BASIS_POINTS = 10_000


def apply_rate(amount_minor: int, basis_points: int) -> int:
    """`amount_minor` × rate, rounded half up (away from zero) to the minor unit; the rate is in basis points (marketplace I21)."""
    product = abs(amount_minor) * basis_points
    rounded = (2 * product + BASIS_POINTS) // (2 * BASIS_POINTS)
    return rounded if amount_minor >= 0 else -rounded


def split_evenly(amount_minor: int, weights: list[int]) -> list[int]:
    """Split an amount by weights with the largest remainder, so that the parts sum exactly to the whole (marketplace I21).

    Raises ValueError when no weight is positive.
    """
    total = sum(weights)
    if total <= 0:
        raise ValueError("at least one weight must be positive")
    shares = [amount_minor * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda index: (-(amount_minor * weights[index] % total), index))
    for index in order[: amount_minor - sum(shares)]:
        shares[index] += 1
    return shares
