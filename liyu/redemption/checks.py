"""What the proof of the books asks of redemptions (DESIGN rule 7)."""

from liyu.redemption.drops.offers import KEPT
from liyu.redemption.draws import checks as draws
from liyu.redemption.draws.stock import SET_ASIDE
from liyu.redemption.payments import checks as payments

CHECKS: dict[str, str] = {
    "stock_differs_from_redemptions": f"""
        SELECT 'item ' || i.sku, s.taken AS found, k.expected
        FROM item_stock s JOIN item i ON i.id = s.item_id
        LEFT JOIN (
            SELECT item_id, sum(quantity) AS units FROM redemption
            WHERE state NOT IN ('released', 'cancelled', 'refunded') GROUP BY 1) AS r ON r.item_id = s.item_id
        CROSS JOIN LATERAL (SELECT (coalesce(r.units, 0) + ({SET_ASIDE}))::bigint AS expected) AS k
        WHERE s.taken <> k.expected""",
    **draws.CHECKS,
    **payments.CHECKS,
}
"""Each selects its offenders: what, the figure found, the figure expected."""
