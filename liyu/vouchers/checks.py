"""What the proof of the books asks of vouchers (docs/rules.md 12)."""

from liyu.vouchers.offline import checks as offline

CHECKS: dict[str, str] = {
    "voucher_uses_differ_from_verifications": """
        SELECT 'voucher ' || v.id, v.uses AS found, count(f.id) AS expected
        FROM voucher v LEFT JOIN verification f ON f.voucher_id = v.id AND f.undone_at IS NULL
        GROUP BY v.id HAVING v.uses <> count(f.id)""",
    "voucher_offered_without_a_gift": """
        SELECT 'voucher ' || v.id, (v.state = 'offered')::int AS found, count(g.id) AS expected
        FROM voucher v LEFT JOIN voucher_gift g ON g.voucher_id = v.id AND g.state = 'open'
        WHERE v.state = 'offered' OR g.id IS NOT NULL
        GROUP BY v.id HAVING (v.state = 'offered')::int <> count(g.id)""",
    "voucher_generation_differs_from_its_hands": """
        SELECT 'voucher ' || v.id, v.generation AS found, count(*) AS expected
        FROM voucher v LEFT JOIN (
            SELECT voucher_id FROM voucher_gift WHERE state = 'accepted'
            UNION ALL SELECT voucher_id FROM voucher_change WHERE change = 'claimed') AS h ON h.voucher_id = v.id
        WHERE v.generation > 0 OR h.voucher_id IS NOT NULL
        GROUP BY v.id HAVING v.generation <> count(h.voucher_id)""",
    "voucher_run_differs_from_its_numbers": """
        SELECT 'run ' || r.id, count(v.id) AS found, r.total AS expected
        FROM voucher_run r LEFT JOIN voucher v ON v.run_id = r.id AND v.run_number BETWEEN 1 AND r.total
        GROUP BY r.id HAVING count(v.id) <> r.total""",
} | offline.CHECKS
"""Each selects its offenders: what, the figure found, the figure expected."""
