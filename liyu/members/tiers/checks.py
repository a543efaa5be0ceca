"""What the proof of the books asks of growth value: both counts are the sums of what was booked."""

CHECKS: dict[str, str] = {
    "growth_differs_from_its_entries": """
        SELECT 'member ' || m.id, m.growth AS found, coalesce(sum(e.amount), 0)::bigint AS expected
        FROM member m LEFT JOIN growth_entry e ON e.member_id = m.id AND e.period >= m.growth_counted_from
        GROUP BY m.id HAVING m.growth <> coalesce(sum(e.amount), 0)""",
    "period_growth_differs_from_its_entries": """
        SELECT 'member ' || m.id, m.period_growth AS found, coalesce(sum(e.amount), 0)::bigint AS expected
        FROM member m LEFT JOIN growth_entry e ON e.member_id = m.id AND e.period = m.tier_period
        GROUP BY m.id HAVING m.period_growth <> coalesce(sum(e.amount), 0)""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
