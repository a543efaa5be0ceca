"""What happened to a member's vouchers, for the timeline of the member's page. A change of state that a use or a later last day
brings with it is told by these."""

EVENTS: dict[str, str] = {
    "vouchers": """
        SELECT t.at, 3 * t.id AS id, t.actor, jsonb_build_object('state', t.to_state, 'reason', t.reason,
            'name_zh', i.name_zh, 'name_en', i.name_en, 'number', r.number) AS data
        FROM voucher v JOIN voucher_transition t ON t.voucher_id = v.id JOIN item i ON i.id = v.item_id
            JOIN redemption r ON r.id = v.redemption_id
        WHERE v.member_id = %(member)s AND t.reason NOT IN ('verified', 'extended', 'used_offline')
        UNION ALL SELECT f.verified_at, 3 * f.id + 1, f.verifier, jsonb_build_object('use', f.use_number,
            'undone', f.undone_at, 'store_zh', s.name_zh, 'store_en', s.name_en,
            'name_zh', i.name_zh, 'name_en', i.name_en, 'number', r.number)
        FROM voucher v JOIN verification f ON f.voucher_id = v.id JOIN item i ON i.id = v.item_id
            JOIN redemption r ON r.id = v.redemption_id LEFT JOIN store s ON s.id = f.store_id
        WHERE v.member_id = %(member)s
        UNION ALL SELECT c.at, 3 * c.id + 2, c.actor, jsonb_build_object('claimed', v.id, 'run', n.name,
            'name_zh', i.name_zh, 'name_en', i.name_en)
        FROM voucher v JOIN voucher_change c ON c.voucher_id = v.id AND c.change = 'claimed' JOIN item i ON i.id = v.item_id
            JOIN voucher_run n ON n.id = v.run_id
        WHERE v.holder_id = %(member)s
        UNION ALL SELECT c.at, 3 * c.id + 2, c.actor, jsonb_build_object('change', c.change, 'voucher', v.id,
            'reason', c.reason, 'name_zh', i.name_zh, 'name_en', i.name_en)
        FROM voucher v JOIN voucher_change c ON c.voucher_id = v.id AND c.change <> 'claimed' JOIN item i ON i.id = v.item_id
        WHERE v.member_id = %(member)s OR v.holder_id = %(member)s""",
}
