"""What the proof of the books asks of redemptions (DESIGN rule 7)."""

from liyu.redemption.payments import checks as payments

CHECKS: dict[str, str] = {
    "stock_differs_from_redemptions": """
        SELECT 'item ' || i.sku, s.taken AS found, coalesce(sum(r.quantity), 0)::bigint AS expected
        FROM item_stock s JOIN item i ON i.id = s.item_id
        LEFT JOIN redemption r ON r.item_id = s.item_id AND r.state NOT IN ('released', 'cancelled', 'refunded')
        GROUP BY i.sku, s.taken HAVING s.taken <> coalesce(sum(r.quantity), 0)""",
    **payments.CHECKS,
}
"""Each selects its offenders: what, the figure found, the figure expected."""
