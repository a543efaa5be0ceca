"""What the proof of the books asks of lots (docs/rules.md 3, 4)."""

CHECKS: dict[str, str] = {
    "lots_differ_from_balance": """
        SELECT 'account ' || a.id, coalesce(sum(l.remaining), 0)::bigint AS found, a.balance AS expected
        FROM account a LEFT JOIN lot l ON l.account_id = a.id
        WHERE a.kind IN ('member_points', 'member_pending')
        GROUP BY a.id HAVING coalesce(sum(l.remaining), 0) <> a.balance""",
    "lot_differs_from_its_entries": """
        SELECT 'lot ' || l.id, l.remaining AS found, coalesce(sum(e.amount), 0)::bigint AS expected
        FROM lot l LEFT JOIN lot_entry e ON e.lot_id = l.id
        GROUP BY l.id HAVING l.remaining <> coalesce(sum(e.amount), 0)""",
    "transfer_not_bound_to_lots": """
        WITH sides AS (
            SELECT t.id, sum(CASE WHEN a.id = t.credit_account_id THEN t.amount ELSE -t.amount END) AS amount
            FROM transfer t JOIN account a ON a.id IN (t.debit_account_id, t.credit_account_id)
            WHERE a.kind IN ('member_points', 'member_pending') GROUP BY t.id),
        bound AS (SELECT transfer_id, sum(amount) AS amount FROM lot_entry GROUP BY 1)
        SELECT 'transfer ' || coalesce(s.id, b.transfer_id), coalesce(b.amount, 0)::bigint, coalesce(s.amount, 0)::bigint
        FROM sides s FULL JOIN bound b ON b.transfer_id = s.id WHERE coalesce(s.amount, 0) <> coalesce(b.amount, 0)""",
    "entry_in_a_foreign_lot": """
        SELECT 'transfer ' || t.id, l.account_id AS found, t.debit_account_id AS expected
        FROM lot_entry e JOIN lot l ON l.id = e.lot_id JOIN transfer t ON t.id = e.transfer_id
        WHERE l.account_id <> CASE WHEN e.amount < 0 THEN t.debit_account_id ELSE t.credit_account_id END""",
    # The latest two days are counted anew with every count; those before them are not touched again.
    "points_rollup_differs_from_transfers": """
        WITH closed AS (SELECT max(recorded_on) - 1 AS before FROM points_rollup),
        program AS (SELECT id FROM account WHERE member_id IS NULL AND partner_id IS NULL AND unit = 'PTS'),
        counted AS (
            SELECT recorded_on, event, sum(came) AS came, sum(went) AS went FROM points_rollup
            WHERE recorded_on < (SELECT before FROM closed) GROUP BY 1, 2),
        moved AS (
            SELECT (recorded_at AT TIME ZONE 'UTC')::date AS recorded_on, event,
                coalesce(sum(amount) FILTER (WHERE debit_account_id IN (SELECT id FROM program)), 0) AS came,
                coalesce(sum(amount) FILTER (WHERE credit_account_id IN (SELECT id FROM program)), 0) AS went
            FROM transfer WHERE unit = 'PTS' AND recorded_at < (SELECT before FROM closed)::timestamp AT TIME ZONE 'UTC'
            GROUP BY 1, 2)
        SELECT concat_ws(' ', recorded_on, event, side), found::bigint, expected::bigint
        FROM counted c FULL JOIN moved m USING (recorded_on, event) CROSS JOIN LATERAL (VALUES
            ('in', coalesce(c.came, 0), coalesce(m.came, 0)), ('out', coalesce(c.went, 0), coalesce(m.went, 0))
        ) AS sides (side, found, expected) WHERE found <> expected""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
