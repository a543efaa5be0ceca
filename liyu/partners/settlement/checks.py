"""What the proof of the books asks of partner accounts (DESIGN rule 13)."""

CHECKS: dict[str, str] = {
    "partner_account_differs_from_entries": """
        WITH entries AS (SELECT partner_id, sum(amount_minor) AS amount FROM payable_entry GROUP BY 1),
        paid AS (
            SELECT s.partner_id, sum(p.amount_minor) AS amount FROM payout p JOIN statement s ON s.id = p.statement_id
            WHERE p.transfer_id IS NOT NULL GROUP BY 1),
        books AS (
            SELECT a.partner_id, sum(CASE WHEN t.credit_account_id = a.id THEN t.amount ELSE -t.amount END) AS amount
            FROM account a JOIN transfer t ON a.id IN (t.debit_account_id, t.credit_account_id)
            WHERE a.partner_id IS NOT NULL GROUP BY 1)
        SELECT 'partner ' || p.id, coalesce(b.amount, 0)::bigint, (coalesce(e.amount, 0) - coalesce(o.amount, 0))::bigint
        FROM partner p LEFT JOIN entries e ON e.partner_id = p.id LEFT JOIN paid o ON o.partner_id = p.id
        LEFT JOIN books b ON b.partner_id = p.id
        WHERE coalesce(b.amount, 0) <> coalesce(e.amount, 0) - coalesce(o.amount, 0)""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
