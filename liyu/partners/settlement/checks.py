"""What the proof of the books asks of partner accounts (docs/rules.md 13)."""

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
    "statement_differs_from_its_lines": """
        SELECT 'statement ' || s.number, s.net_minor, coalesce(sum(l.amount_minor), 0)::bigint
        FROM statement s LEFT JOIN statement_line l ON l.statement_id = s.id
        GROUP BY s.id HAVING s.net_minor <> coalesce(sum(l.amount_minor), 0)""",
    # The bounds of a partner's statements only grow, so the last one's take in what all of them took up.
    "statements_differ_from_entries": """
        WITH stated AS (
            SELECT partner_id, sum(net_minor) AS net, max(ends_at) AS ends_at, max(watermark) AS watermark
            FROM statement GROUP BY partner_id),
        taken AS (
            SELECT s.partner_id, sum(e.amount_minor) AS amount
            FROM stated s JOIN payable_entry e ON e.partner_id = s.partner_id
            WHERE e.at < s.ends_at AND e.id <= s.watermark GROUP BY s.partner_id)
        SELECT 'partner ' || s.partner_id, s.net::bigint, coalesce(t.amount, 0)::bigint
        FROM stated s LEFT JOIN taken t USING (partner_id) WHERE s.net <> coalesce(t.amount, 0)""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
