"""What the proof of the books asks of what tills took without a network."""

CHECKS: dict[str, str] = {
    "offline_loss_differs_from_its_decisions": """
        WITH paid AS (
            SELECT split_part(source, ':', 2)::bigint AS use_id, sum(amount_minor) AS amount
            FROM payable_entry WHERE source LIKE 'offline:%' GROUP BY 1),
        decided AS (
            SELECT DISTINCT ON (offline_use_id) offline_use_id AS use_id, amount_minor AS amount, bearer
            FROM offline_decision ORDER BY offline_use_id, id DESC)
        SELECT 'offline use ' || u.id, coalesce(p.amount, 0)::bigint, coalesce(d.amount, 0)::bigint
        FROM offline_use u LEFT JOIN paid p ON p.use_id = u.id LEFT JOIN decided d ON d.use_id = u.id
        WHERE coalesce(p.amount, 0) <> coalesce(d.amount, 0) OR u.bearer IS DISTINCT FROM d.bearer""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
