"""What the proof of the books asks of vouchers (DESIGN rule 12)."""

CHECKS: dict[str, str] = {
    "voucher_uses_differ_from_verifications": """
        SELECT 'voucher ' || v.id, v.uses AS found, count(f.id) AS expected
        FROM voucher v LEFT JOIN verification f ON f.voucher_id = v.id AND f.undone_at IS NULL
        GROUP BY v.id HAVING v.uses <> count(f.id)""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
