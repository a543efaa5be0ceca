"""What the proof of the books asks of payments (docs/rules.md 2, 10)."""

CHECKS: dict[str, str] = {
    "hold_differs_from_redemption": """
        SELECT 'redemption ' || r.number, (r.state <> 'held')::int::bigint AS found,
            (h.outcome IS NOT NULL)::int::bigint AS expected
        FROM redemption r JOIN payment_hold h ON h.redemption_id = r.id
        WHERE (r.state = 'held') <> (h.outcome IS NULL) OR (r.state = 'released') <> (coalesce(h.outcome, '') = 'released')
            OR (coalesce(h.outcome, '') = 'captured')
                <> EXISTS (SELECT FROM payment p WHERE p.redemption_id = r.id AND p.captures AND p.amount_minor = h.amount_minor)
        UNION ALL SELECT 'redemption ' || r.number, 0, 1 FROM redemption r
        WHERE r.state IN ('held', 'released') AND NOT EXISTS (SELECT FROM payment_hold h WHERE h.redemption_id = r.id)""",
    "refunds_differ_from_payment": """
        SELECT 'payment ' || p.intent_id, p.refunded_minor AS found, coalesce(sum(f.amount_minor), 0)::bigint AS expected
        FROM payment p LEFT JOIN payment_refund f ON f.intent_id = p.intent_id
        GROUP BY p.intent_id HAVING p.refunded_minor <> coalesce(sum(f.amount_minor), 0)""",
    "money_kept_for_an_order_given_back": """
        SELECT 'payment ' || p.intent_id, p.refunded_minor AS found, p.amount_minor AS expected
        FROM payment p JOIN redemption r ON r.id = p.redemption_id
        WHERE p.refunded_minor <> p.amount_minor AND (NOT p.captures OR r.state IN ('released', 'cancelled', 'refunded'))""",
    "payment_provider_differs_from_payments": """
        WITH booked AS (
            SELECT unit, sum(amount)::bigint AS amount FROM (
                SELECT a.unit, t.amount FROM transfer t JOIN account a ON a.id = t.credit_account_id AND a.kind = 'payment_provider'
                UNION ALL SELECT a.unit, -t.amount FROM transfer t
                    JOIN account a ON a.id = t.debit_account_id AND a.kind = 'payment_provider') AS sides GROUP BY unit),
        known AS (
            SELECT p.currency, sum(p.amount_minor - coalesce(f.made, 0))::bigint AS amount
            FROM payment p LEFT JOIN (
                SELECT intent_id, sum(amount_minor) AS made FROM payment_refund WHERE state = 'made' GROUP BY 1) AS f
                ON f.intent_id = p.intent_id GROUP BY 1)
        SELECT 'currency ' || coalesce(k.currency, b.unit), coalesce(b.amount, 0) AS found, coalesce(k.amount, 0) AS expected
        FROM known k FULL JOIN booked b ON b.unit = k.currency WHERE coalesce(b.amount, 0) <> coalesce(k.amount, 0)""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
