"""What the proof of the books asks of redemptions (docs/rules.md 7)."""

from liyu.redemption.draws import checks as draws
from liyu.redemption.draws.stock import SET_ASIDE
from liyu.redemption.drops.offers import KEPT
from liyu.redemption.payments import checks as payments
from liyu.vouchers.runs.service import PRINTED

CHECKS: dict[str, str] = {
    "stock_differs_from_redemptions": f"""
        SELECT 'item ' || i.sku, s.taken AS found, k.expected
        FROM item_stock s JOIN item i ON i.id = s.item_id
        LEFT JOIN (
            SELECT item_id, sum(quantity) AS units FROM redemption
            WHERE state NOT IN ('released', 'cancelled', 'refunded') GROUP BY 1) AS r ON r.item_id = s.item_id
        CROSS JOIN LATERAL (SELECT (coalesce(r.units, 0) + ({SET_ASIDE}) + ({KEPT}) + ({PRINTED}))::bigint AS expected) AS k
        WHERE s.taken <> k.expected""",
    **draws.CHECKS,
    "points_given_back_differ_from_order": """
        SELECT 'redemption ' || r.number, coalesce(sum(t.amount), 0)::bigint AS found, r.points AS expected
        FROM redemption r LEFT JOIN transfer t ON t.source = r.number AND t.event IN ('cancel', 'refund')
        WHERE r.state IN ('released', 'cancelled', 'refunded') OR t.id IS NOT NULL GROUP BY r.id
        HAVING coalesce(sum(t.amount), 0) > r.points
            OR (r.state IN ('released', 'cancelled', 'refunded') AND coalesce(sum(t.amount), 0) <> r.points)""",
    "parcels_exceed_order": """
        SELECT 'redemption ' || r.number, sum(p.quantity)::bigint AS found, r.quantity AS expected
        FROM parcel p JOIN redemption r ON r.id = p.redemption_id WHERE p.after_sale_id IS NULL
        GROUP BY r.id HAVING sum(p.quantity) > r.quantity""",
    "top_up_differs_from_order": """
        SELECT 'redemption ' || r.number, (t.state = 'delivered')::int::bigint AS found,
            (r.state IN ('completed', 'refunded'))::int::bigint AS expected
        FROM top_up t JOIN redemption r ON r.id = t.redemption_id
        WHERE (t.state = 'delivered') <> (r.state IN ('completed', 'refunded'))""",
    **payments.CHECKS,
}
"""Each selects its offenders: what, the figure found, the figure expected."""
