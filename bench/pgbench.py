"""The ceiling of redemptions: the same writes as one SQL transaction each, driven by pgbench.

It is given every advantage: it looks up no more than the two ids it writes to, decides nothing, notifies nobody, speaks
through prepared statements over the local socket, and updates the row that everybody wants last.
"""

import re
import subprocess
import tempfile
from typing import Any

import psycopg

from bench.installation import Installation
from liyu.core.embedded import find_program

CLIENTS = (8, 32, 128)
THREADS = 2

_SCRIPT = """\
\\set member random(:first_member, :last_member)
\\set item {item}
BEGIN;
SELECT a.id AS account, l.id AS lot FROM account a JOIN lot l ON l.account_id = a.id
    WHERE a.member_id = :member AND a.kind = 'member_points' \\gset
INSERT INTO redemption (number, member_id, item_id, quantity, points, cash_minor, state, channel, created_at)
    VALUES ('R' || nextval('bench_number')::text, :member, :item, 1, 100, 0, 'confirmed', 'api', now())
    RETURNING id AS redemption \\gset
INSERT INTO redemption_transition (redemption_id, to_state, reason, actor, at)
    VALUES (:redemption, 'confirmed', 'redeemed', 'bench', now());
INSERT INTO transfer (debit_account_id, credit_account_id, amount, unit, event, source, reason, actor, key, at)
    VALUES (:account, :redeemed, 100, 'PTS', 'redeem', 'bench', 'bench', 'bench', 'bench-redeem:' || :redemption::text, now())
    RETURNING id AS transfer \\gset
INSERT INTO lot_entry (transfer_id, lot_id, amount) VALUES (:transfer, :lot, -100);
UPDATE lot SET remaining = remaining - 100 WHERE id = :lot;
UPDATE account SET balance = balance - 100 WHERE id = :account;
INSERT INTO limit_use (item_id, member_id, period, used, cap) VALUES (:item, :member, '', 1, 1000000)
    ON CONFLICT (item_id, member_id, period) DO UPDATE SET used = limit_use.used + 1;
INSERT INTO voucher (redemption_id, member_id, item_id, state, uses, uses_allowed, issued_at, expires_at)
    VALUES (:redemption, :member, :item, 'issued', 0, 1, now(), now() + interval '90 days');
INSERT INTO idempotent_answer (scope, key, body_hash, status, answer, at)
    VALUES ('bench', 'bench-' || :redemption::text, 'bench', 201, '{{"number": "R", "points": 100, "voucher_ids": [1]}}', now());
UPDATE item_stock SET taken = taken + 1 WHERE item_id = :item AND taken + 1 <= total;
COMMIT;
"""


class Ceiling:
    """Redemptions a second that PostgreSQL itself does, one transaction each, with so many clients."""

    def __init__(self, installation: Installation, *, hot: bool) -> None:
        self.installation = installation
        with psycopg.connect(installation.url, autocommit=True) as connection:
            connection.execute("CREATE SEQUENCE IF NOT EXISTS bench_number START 10000000000000")
            self.variables = {
                "first_member": _one(connection, "SELECT min(id) FROM member"),
                "last_member": _one(connection, "SELECT max(id) FROM member"),
                "redeemed": _one(connection, "SELECT id FROM account WHERE kind = 'points_redeemed'"),
            }
            first, last = (_one(connection, f"SELECT {which}(id) FROM item") for which in ("min", "max"))
        self.script = _SCRIPT.format(item=str(first) if hot else f"random({first}, {last})")

    def measure(self, seconds: float) -> list[float]:
        """The rates of one turn, one for each of `CLIENTS`, which share the time."""
        part = max(1, round(seconds / len(CLIENTS)))
        return [run_pgbench(self.installation, self.script, self.variables, clients, part) for clients in CLIENTS]


def _one(connection: psycopg.Connection[Any], query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def run_pgbench(
    installation: Installation, script: str, variables: dict[str, int], clients: int, seconds: int
) -> float:
    """Transactions a second of a script with so many clients."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command = [
            str(find_program("pgbench")),
            "-n",
            "-M",
            "prepared",
            "-c",
            str(clients),
            "-j",
            str(THREADS),
            "-T",
            str(seconds),
            "-f",
            file.name,
        ]
        command += [part for name, value in variables.items() for part in ("-D", f"{name}={value}")]
        done = subprocess.run([*command, installation.url], capture_output=True, text=True, check=False)
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench failed: {done.stdout} {done.stderr[-500:]}")
    return float(found[1])
