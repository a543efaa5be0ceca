"""What the proof of the books asks of draws."""

from liyu.redemption.draws.stock import SET_ASIDE

CHECKS: dict[str, str] = {
    "kept_codes_differ_from_prizes": f"""
        SELECT 'item ' || i.sku, count(c.id)::bigint AS found, ({SET_ASIDE}) AS expected
        FROM item_stock s JOIN item i ON i.id = s.item_id AND i.kind = 'code'
        LEFT JOIN pool_code c ON c.item_id = i.id AND c.kept GROUP BY i.sku, s.item_id HAVING count(c.id) <> ({SET_ASIDE})""",
    "prizes_differ_from_places": """
        SELECT 'draw ' || d.number || ' prize ' || p.position, p.given AS found, count(w.place)::bigint AS expected
        FROM draw_prize p JOIN draw d ON d.id = p.draw_id LEFT JOIN draw_place w ON w.prize_id = p.id AND w.state = 'won'
        GROUP BY d.number, p.position, p.given HAVING p.given <> count(w.place)""",
    "prizes_promised_twice": """
        SELECT 'draw ' || d.number || ' prize ' || p.position, count(w.place)::bigint AS found, p.units AS expected
        FROM draw_prize p JOIN draw d ON d.id = p.draw_id
        JOIN draw_place w ON w.prize_id = p.id AND w.state IN ('won', 'offered')
        GROUP BY d.number, p.position, p.units HAVING count(w.place) > p.units""",
    "draw_list_differs": """
        SELECT 'draw ' || d.number, count(e.code)::bigint AS found, d.entries AS expected
        FROM draw d LEFT JOIN draw_entry e ON e.draw_id = d.id WHERE d.list_hash IS NOT NULL
        GROUP BY d.number, d.entries, d.tickets HAVING count(e.code) <> d.entries OR coalesce(sum(e.tickets), 0) <> d.tickets""",
}
"""Each selects its offenders: what, the figure found, the figure expected."""
