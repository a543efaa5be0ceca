"""How a tier that was bought lies over that of the growth value in a member's row (docs/algorithms/paid.md).

`tier_id` is the tier that a member is in, which is all that prices, limits, segments and the desk ask for. While something is
bought, `tier_earned_id` keeps the tier of the growth value.
"""

EARNED = "coalesce(tier_earned_id, tier_id)"
"""In SQL: the tier of the growth value, by the columns of a member's row."""


def lay_over(earned: str, paid: str) -> str:
    """In SQL: what sets both columns from the tier of the growth value and from the one that was bought, or null."""
    higher = f"(SELECT id FROM tier WHERE id IN ({earned}, {paid}) ORDER BY rank DESC LIMIT 1)"
    return (
        f"tier_id = CASE WHEN {paid} IS NULL THEN {earned} ELSE {higher} END, "
        f"tier_earned_id = CASE WHEN {paid} IS NOT NULL THEN {earned} END"
    )
