"""The commands as other programs call them: what they print, and the status they end with.

They run in this process, since starting one takes longer than most of them; `test_run.py` starts the command itself.
"""

import json
import sys
import uuid
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from msgspec import Struct

from liyu.cli import main
from liyu.core.embedded import EmbeddedPostgres


class Ended(Struct):
    """What is left of a command."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def installed_database(
    cluster: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The name of a database as `liyu db upgrade` leaves it; the tests get copies."""
    name = f"cli_{uuid.uuid4().hex}"
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY FILE_COPY")
    upgraded = liyu_on(cluster.url(name), tmp_path_factory.mktemp("cli"))("db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    return name


@pytest.fixture
def template(installed_database: str) -> str:
    return installed_database


@pytest.fixture
def liyu(database_url: str, tmp_path: Path) -> Run:
    """Run a command on an installation of the test's own."""
    return liyu_on(database_url, tmp_path)


def liyu_on(database_url: str, folder: Path) -> Run:
    def run(*arguments: str, **settings: str) -> Ended:
        output, complaints = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(complaints):
            patch.setattr(sys, "argv", ["liyu", *arguments])
            patch.chdir(folder)
            settings = {"LIYU_DATABASE_URL": database_url, "LIYU_DATA_DIR": str(folder / "var"), **settings}
            for name, value in settings.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        return Ended(int(ended.value.code or 0), output.getvalue(), complaints.getvalue())

    return run


def test_events_can_be_imported_twice_without_a_second_point(liyu: Run, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "external_id,type,amount_minor,currency,occurred_at,reference\n"
        "a,purchase,12345,CNY,2026-03-01T10:00:00,i-1\n"
        "a,return,-345,CNY,2026-03-02T10:00:00+08:00,r-1\n"
        "b,purchase,1,GBP,2026-03-01T10:00:00,i-2\n"
        "b,purchase,ten,CNY,soon,i-3\n"
        "b,profile,,,2026-03-01T10:00:00,i-4\n"
        ",purchase,ten,USD,soon,\n"
    )
    first = json.loads(liyu("events", "import", str(file), "--json").stdout)
    assert (first["ok"], first["duplicate"], first["failed"], first["points"]) == (2, 0, 4, 120)
    assert [(one["row"], sorted(one["fields"])) for one in first["failures"]] == [
        (4, ["currency"]), (5, ["amount_minor", "occurred_at"]), (6, ["type"]),
        (7, ["amount_minor", "currency", "external_id", "occurred_at", "reference"]),
    ]  # fmt: skip
    again = json.loads(liyu("events", "import", str(file), "--json").stdout)
    assert (again["ok"], again["duplicate"], again["failed"]) == (0, 2, 4)
    assert json.loads(liyu("db", "prove", "--json").stdout)["balanced"] is True


def test_a_faulty_catalog_names_every_fault_ends_with_1_and_changes_nothing(liyu: Run, tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("sku,kind,name_zh,points\nGOOD,coupon,好,100\nB 1,stone,,1.5\n", encoding="utf-8")
    refused = liyu("items", "import", str(file), "--json")
    assert refused.returncode == 1
    assert {fault["column"] for fault in json.loads(refused.stdout)["faults"]} == {"sku", "kind", "name_zh", "points"}
    file.write_text("sku,kind,name_zh,points,stock\nGOOD,coupon,好,100,\nCODE,code,码,5,10\n", encoding="utf-8")
    published = liyu("items", "import", str(file), "--json")
    told = json.loads(published.stdout)
    assert (published.returncode, told["created"], told["awaiting_codes"]) == (0, 2, ["CODE"])
    assert "offer what is there: CODE." in liyu("items", "import", str(file)).stdout


def test_a_key_is_printed_alone_listed_without_its_text_and_revoked_once(liyu: Run) -> None:
    made = liyu("apikey", "create", "--name", "till", "--scopes", "all")
    assert made.returncode == 0
    (key,) = made.stdout.split()
    assert key.startswith("lk_")
    listed = liyu("apikey", "list", "--json")
    (line,) = json.loads(listed.stdout)
    assert (line["name"], line["scopes"], line["partner"], line["revoked_at"]) == ("till", ["all"], None, None)
    assert key.startswith(line["prefix"])
    assert key not in listed.stdout
    number = str(line["id"])
    assert [liyu("apikey", "revoke", number).returncode for _ in range(2)] == [0, 1]
    assert json.loads(liyu("apikey", "list", "--json").stdout)[0]["revoked_at"] is not None


def test_staff_are_made_from_the_command_line(liyu: Run) -> None:
    person = ("--email", "a@example.com", "--name", "甲", "--role", "admin", "--password", "long enough")
    assert liyu("user", "create", *person).returncode == 0
    again = liyu("user", "create", *person)
    assert again.returncode == 1
    assert len(again.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [("serve",), ("worker",), ("apikey", "create", "--name", "a", "--scopes", "all")])
def test_a_database_without_tables_is_told_in_one_line(
    cluster: EmbeddedPostgres, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    refused = liyu_on(cluster.url("postgres"), tmp_path)(*arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "liyu: the database is empty: run `liyu db upgrade` first\n"


def test_a_database_that_cannot_be_reached_is_told_without_a_trace(tmp_path: Path, free_port: int) -> None:
    refused = liyu_on(f"postgresql://nobody@127.0.0.1:{free_port}/nothing", tmp_path)("db", "upgrade")
    assert refused.returncode == 1
    assert refused.stderr.startswith("liyu: the database cannot be reached: ")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("frobnicate",),
        ("serve", "--port", "abc"),
        ("items", "import", "missing.csv"),
        ("points", "expire", "--as-of", "tomorrow"),
        ("apikey", "create", "--scopes", "all"),
        ("vouchers", "print", "CUP-1", "--to", "no-such-folder/vouchers.pdf"),
    ],
)
def test_a_wrong_argument_gives_one_line_and_ends_with_2(liyu: Run, arguments: tuple[str, ...]) -> None:
    refused = liyu(*arguments)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert len(refused.stderr.strip().splitlines()) == 1


def test_faulty_settings_are_all_named_at_once(liyu: Run) -> None:
    refused = liyu("db", "prove", LIYU_TIMEZONE="Mars", LIYU_LOCALE="xx", LIYU_BASE_URL="liyu")
    assert refused.returncode == 2
    for name in ("LIYU_TIMEZONE", "LIYU_LOCALE", "LIYU_BASE_URL"):
        assert name in refused.stderr


def test_books_that_do_not_balance_end_with_1_and_name_the_offenders(
    liyu: Run, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "external_id,type,amount_minor,currency,occurred_at,reference\na,purchase,10000,CNY,2026-03-01T10:00:00,i-1\n"
    )
    liyu("events", "import", str(file))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE account SET balance = balance + 1 WHERE kind = 'member_points'")
    proven = liyu("db", "prove", "--json")
    assert proven.returncode == 1
    checks = {offender["check"] for offender in json.loads(proven.stdout)["offenders"]}
    assert checks == {"balance_differs_from_transfers", "lots_differ_from_balance"}


def test_events_that_are_not_text_are_refused_before_any_is_posted(liyu: Run, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    rows = "".join(f"a,check_in,,,2026-03-01T10:00:00,c-{number}\n" for number in range(3_000))
    file.write_bytes(
        f"external_id,type,amount_minor,currency,occurred_at,reference\n{rows}".encode() + b"\xd5\xc5,check_in\n"
    )
    refused = liyu("events", "import", str(file))
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    assert json.loads(liyu("db", "prove", "--json").stdout)["transfers"] == 0


def test_tiers_are_evaluated_as_of_a_day_and_a_second_time_changes_nothing(liyu: Run, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "external_id,type,amount_minor,currency,occurred_at,reference\na,purchase,100000,CNY,2024-03-01T10:00:00,i-1\n"
    )
    liyu("events", "import", str(file))
    early = liyu("tiers", "evaluate", "--as-of", "2026-03-31", "--json")
    assert json.loads(early.stdout) == {"retained": 0, "downgraded": 0, "risen": 0, "ended": 0}
    due = liyu("tiers", "evaluate", "--as-of", "2026-04-01", "--json")
    assert json.loads(due.stdout) == {"retained": 0, "downgraded": 1, "risen": 0, "ended": 0}
    assert json.loads(liyu("tiers", "evaluate", "--json").stdout)["downgraded"] == 0
    assert json.loads(liyu("db", "prove", "--json").stdout)["balanced"] is True


def test_members_are_imported_named_when_faulty_and_the_second_run_changes_nothing(liyu: Run, tmp_path: Path) -> None:
    file = tmp_path / "members.csv"
    file.write_bytes("会员号,手机号,姓名,期初积分\nA-1,13800000001,林岚,500\nA-2,1.38E+10,周宁,7\n".encode("gb18030"))
    dry = json.loads(liyu("members", "import", str(file), "--dry-run", "--json").stdout)
    assert (dry["state"], dry["new"], dry["points"]["to_come"]) == ("ready", 1, 500)
    first = json.loads(liyu("members", "import", str(file), "--json").stdout)
    assert (first["import"], first["new"], first["faulty"], first["encoding"]) == (dry["import"], 1, 1, "gb18030")
    assert (first["points"]["opened"], first["points"]["faulty"], first["points"]["difference"]) == (500, 7, 0)
    assert [(one["row"], one["faults"][0]["column"]) for one in first["failures"]] == [(3, "phone")]
    again = json.loads(liyu("members", "import", str(file), "--json").stdout)
    assert (again["new"], again["unchanged"], again["points"]["before"], again["state"]) == (0, 1, 500, "discarded")
    proof = json.loads(liyu("db", "prove", "--json").stdout)
    assert (proof["balanced"], proof["transfers"]) == (True, 1)
    refused = liyu("members", "import", str(tmp_path / "none.xlsx"))
    assert refused.returncode == 2
    file.write_text("what\n1\n")
    unreadable = liyu("members", "import", str(file))
    assert unreadable.returncode == 1
    assert "Unknown column" in unreadable.stderr


def test_the_setting_with_a_new_secret_is_printed_alone_and_can_be_set_at_once(liyu: Run) -> None:
    made = liyu("vouchers", "rotate-key", "--after", "5")
    name, _, value = made.stdout.strip().partition("=")
    assert (made.returncode, name, len(value.split(","))) == (0, "LIYU_VOUCHER_KEYS", 2)
    assert "before voucher" in made.stderr
    assert value not in made.stderr
    third = liyu("vouchers", "rotate-key", "--after", "9", LIYU_VOUCHER_KEYS=value)
    assert third.stdout.startswith(f"{name}={value},")
    refused = liyu("vouchers", "rotate-key", "--after", "5", LIYU_VOUCHER_KEYS=value)
    assert (refused.returncode, refused.stdout) == (1, "")
