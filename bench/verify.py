"""Verifying at tills over HTTP, against the same writes as one SQL transaction each, among few and among many vouchers."""

import time
from statistics import mean

import msgspec
import psycopg

from bench.installation import Installation, serve
from bench.load import Findings, Load, send
from bench.pgbench import run_pgbench
from liyu.vouchers.codes import Codes

CONNECTIONS = 64
CLIENTS = (8, 32, 64)
WORKERS = 2
TURNS = 4
FASTEST = 8_000
"""Verifications a second for which vouchers are made ready."""
FEW = 300_000
STORES = 20

_FILL_PARTNER = """
    WITH partners AS (
        INSERT INTO partner (code, name_zh, name_en, category, state, created_at)
        VALUES ('BENCH', '基准咖啡', 'Bench Coffee', 'coffee', 'active', now()) RETURNING id),
    stores AS (
        INSERT INTO store (partner_id, code, name_zh, name_en, city_zh, city_en, address_zh, address_en, opening_hours, active)
        SELECT id, 'BENCH-' || n, n || '号店', 'Store ' || n, '上海', 'Shanghai', '', '', '', true
        FROM partners, generate_series(1, %(stores)s) AS n),
    lines AS (
        INSERT INTO agreement_line (partner_id, code, version, mode, title_zh, title_en, currency, unit_price_minor,
            commission_minor, free_quota, tax_rate_basis_points, valid_from)
        SELECT id, 'FEE', 1, 'concierge', '按次', 'Per use', 'CNY', 1500, 0, 0, 600, '2020-01-01' FROM partners RETURNING id),
    accounts AS (
        INSERT INTO account (kind, unit, partner_id) SELECT 'partner_payable', 'CNY', id FROM partners),
    items AS (
        INSERT INTO item (sku, kind, state, name_zh, name_en, summary_zh, summary_en, description_zh, description_en, rules_zh,
            rules_en, scene, points, cash_minor, value_minor, is_drop, voucher_days, uses, position, created_at, changed_at,
            partner_id, agreement_line_id)
        SELECT 'BENCH-RIGHT', 'partner_right', 'live', '咖啡券', 'Coffee', '', '', '', '', '[]', '[]', 'coffee', 100, 0, 1000,
            false, 90, 1, 1, now(), now(), partners.id, lines.id FROM partners, lines RETURNING id)
    INSERT INTO item_stock (item_id, total, taken) SELECT id, NULL, 0 FROM items"""

_FILL_VOUCHERS = """
    WITH ids AS MATERIALIZED (
        SELECT n, nextval('redemption_id_seq') AS redemption, nextval('voucher_id_seq') AS voucher
        FROM generate_series(1, %(count)s) AS n),
    people AS (SELECT array_agg(id) AS ids FROM member),
    redemptions AS (
        INSERT INTO redemption (id, number, member_id, item_id, quantity, points, cash_minor, state, channel, created_at)
        SELECT redemption, 'B' || redemption, p.ids[1 + n %% cardinality(p.ids)], i.id, 1, 0, 0, 'confirmed', 'bench', now()
        FROM ids, people p, item i WHERE i.sku = 'BENCH-RIGHT'),
    stocks AS (
        UPDATE item_stock s SET taken = s.taken + %(count)s FROM item i WHERE i.id = s.item_id AND i.sku = 'BENCH-RIGHT'),
    vouchers AS (
        INSERT INTO voucher (id, redemption_id, member_id, item_id, partner_id, agreement_line_id, state, uses, uses_allowed,
            issued_at, expires_at)
        SELECT voucher, redemption, p.ids[1 + n %% cardinality(p.ids)], i.id, i.partner_id, i.agreement_line_id, 'issued', 0, 1,
            now(), now() + interval '90 days'
        FROM ids, people p, item i WHERE i.sku = 'BENCH-RIGHT' RETURNING id)
    SELECT min(voucher), max(voucher), min(redemption) FROM ids"""

_SCRIPT = """\
\\set n :n + 1
\\set voucher :first + :n * :clients + :client_id
\\set redemption :voucher + :offset
BEGIN;
UPDATE voucher SET uses = uses + 1, state = 'used_up' WHERE id = :voucher AND state = 'issued' AND uses < uses_allowed
    AND now() < expires_at AND partner_id = :partner;
INSERT INTO verification (voucher_id, partner_id, store_id, verifier, nonce, use_number, verified_at)
    VALUES (:voucher, :partner, :store, 'bench', 'bench-' || :voucher::text, 1, now()) RETURNING id AS done \\gset
INSERT INTO voucher_transition (voucher_id, from_state, to_state, reason, actor, at)
    VALUES (:voucher, 'issued', 'used_up', 'verified', 'bench', now());
INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
    VALUES (:cost, :account, 1500, 'CNY', 'partner_use', 'verification:' || :done::text, 'concierge', 'bench',
        'partner_use' || chr(58) || 'verification:' || :done::text, now()) RETURNING id AS transfer \\gset
INSERT INTO payable_entry (partner_id, agreement_line_id, kind, source, quantity, free, amount_minor, transfer_id, at)
    VALUES (:partner, :line, 'use', 'verification:' || :done::text, 1, false, 1500, :transfer, now());
UPDATE redemption SET state = 'completed' WHERE id = :redemption;
INSERT INTO redemption_transition (redemption_id, from_state, to_state, reason, actor, at)
    VALUES (:redemption, 'confirmed', 'completed', 'used_up', 'system', now());
COMMIT;
"""

_FACTS = """
    SELECT p.id AS partner, l.id AS line, s.id AS store, a.id AS account, c.id AS cost
    FROM partner p JOIN agreement_line l ON l.partner_id = p.id JOIN store s ON s.partner_id = p.id AND s.code = 'BENCH-1'
    JOIN account a ON a.partner_id = p.id AND a.kind = 'partner_payable' JOIN account c ON c.kind = 'rights_cost'
    WHERE p.code = 'BENCH'"""


class Took(msgspec.Struct):
    """What was found among so many vouchers: verifications a second, what pgbench made of it, times in seconds."""

    vouchers: int
    ours: float
    bare: float
    p50: float
    p99: float
    calm_p99: float
    """When as many come as pgbench does, and no more."""


class Till:
    """Vouchers of one installation, which are shown one after the other."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.codes = Codes((installation.data_dir / "secret.key").read_text().strip())
        self.key = installation.run("apikey", "create", "--name", "till", "--scopes", "vouchers:verify").strip()
        self.first = self.last = self.offset = self.total = 0
        with psycopg.connect(installation.url, autocommit=True) as connection:
            connection.execute(_FILL_PARTNER, {"stores": STORES})

    def fill(self, count: int) -> None:
        """Make vouchers until there are so many; those of before are shown no more."""
        with psycopg.connect(self.installation.url, autocommit=True) as connection:
            row = connection.execute(_FILL_VOUCHERS, {"count": count - self.total}).fetchone()
            assert row is not None
            self.first, self.last, redemption = row
            self.offset = redemption - self.first
            connection.execute("VACUUM ANALYZE")
        self.installation.run_in()
        self.total = count

    def measure(self, seconds: int) -> Took:
        """Tills and pgbench take turns, so that whatever else the machine does meets both."""
        bare, found, calm = [], [], []
        with serve(self.installation, workers=WORKERS) as port:
            for _ in range(TURNS):
                bare.append(self._measure_bare(seconds))
                found.append(self._show(port, seconds / TURNS))
                calm.append(self._show(port, seconds / TURNS, rate=max(bare[-1])))
        best = max(mean(rates) for rates in zip(*bare, strict=True))
        return Took(
            self.total,
            mean(each.rate for each in found),
            best,
            mean(each.p50 for each in found),
            mean(each.p99 for each in found),
            mean(each.p99 for each in calm),
        )

    def count_twice(self) -> int:
        """Vouchers that were verified more often than they allow, or whose uses are not those of their verifications."""
        with psycopg.connect(self.installation.url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM (SELECT voucher_id, count(*) AS times FROM verification GROUP BY voucher_id) AS f "
                "JOIN voucher v ON v.id = f.voucher_id WHERE f.times > v.uses_allowed OR f.times <> v.uses"
            ).fetchone()
        assert row is not None
        return int(row[0])

    def _measure_bare(self, seconds: int) -> list[float]:
        part = max(1, round(seconds / len(CLIENTS)))
        return [self._run_pgbench(clients, part) for clients in CLIENTS]

    def _run_pgbench(self, clients: int, seconds: int) -> float:
        with psycopg.connect(self.installation.url, autocommit=True) as connection:
            connection.row_factory = psycopg.rows.dict_row  # type: ignore[assignment]
            facts = connection.execute(_FACTS).fetchone()
        assert facts is not None
        variables = dict(facts) | {"first": self.first, "offset": self.offset, "clients": clients, "n": -1}
        rate = run_pgbench(self.installation, _SCRIPT, variables, clients, seconds)
        with psycopg.connect(self.installation.url, autocommit=True) as connection:
            used = connection.execute("SELECT max(voucher_id) FROM verification WHERE verifier = 'bench'").fetchone()
        assert used is not None
        self.first = used[0] + 1
        return rate

    def _show(self, port: int, seconds: float, *, rate: float = 0.0) -> Findings:
        count = round((seconds + 1) * (rate * 2 or FASTEST))
        codes = [self.codes.code_of(number) for number in range(self.last - count + 1, self.last + 1)]
        self.last -= count
        if self.last < self.first:
            raise RuntimeError("too few vouchers for so long a run")
        load = Load(
            port=port,
            connections=CONNECTIONS,
            seconds=seconds,
            warm_up_seconds=1,
            path="/api/v1/vouchers/verify",
            headers={"Authorization": f"Bearer {self.key}"},
            run=str(time.time_ns()),
            codes=codes,
            store="BENCH-1",
            prepared=count // CONNECTIONS,
            rate=rate,
        )
        found = send(load)
        if set(found.statuses) != {"200"}:
            raise RuntimeError(f"expected only 200, got {found.statuses}")
        return found
