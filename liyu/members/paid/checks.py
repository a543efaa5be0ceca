"""What the proof of the books asks of paid membership: what was paid in points is in the ledger, and tiers end when paid for."""

CHECKS: dict[str, str] = {
    "membership_differs_from_its_payment": """
        SELECT 'membership ' || d.reference, d.points - coalesce(d.returned_points, 0) AS found,
            coalesce(sum(t.amount * CASE t.event WHEN 'membership' THEN 1 ELSE -1 END), 0)::bigint AS expected
        FROM paid_period d LEFT JOIN transfer t ON t.key IN ('membership:' || d.reference, 'membership_return:' || d.reference)
        GROUP BY d.id HAVING d.points - coalesce(d.returned_points, 0)
            <> coalesce(sum(t.amount * CASE t.event WHEN 'membership' THEN 1 ELSE -1 END), 0)""",
    "paid_tier_differs_from_its_memberships": """
        SELECT 'member ' || m.id, (m.tier_paid_until - DATE '2000-01-01')::bigint AS found,
            (max(d.ends_on) - DATE '2000-01-01')::bigint AS expected
        FROM member m LEFT JOIN paid_period d ON d.member_id = m.id AND d.tier_id = m.tier_paid_id AND d.returned_at IS NULL
        WHERE m.tier_paid_id IS NOT NULL AND m.state <> 'merged'
        GROUP BY m.id HAVING max(d.ends_on) IS DISTINCT FROM m.tier_paid_until""",
    "memberships_overlap": """
        SELECT 'membership ' || d.reference, d.id AS found, min(e.id) AS expected
        FROM paid_period d JOIN paid_period e ON e.member_id = d.member_id AND e.id <> d.id
            AND daterange(d.begins_on, d.ends_on + 1) && daterange(e.begins_on, e.ends_on + 1)
        GROUP BY d.id""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
