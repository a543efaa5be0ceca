"""`python -m bench`: measure, print the table, write `bench/results.json`, and prove the books afterwards."""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.installation import fill
from bench.rows import Row, measure_all

RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    """Run the bench. The exit code tells whether the books balance afterwards, not how fast it was."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--seconds", type=int, default=8, help="how long each load runs")
    parser.add_argument("--members", type=int, default=20_000)
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument(
        "--lapsing", type=int, default=200_000, help="members whose lots lapse; 1000000 is the full size"
    )
    parser.add_argument(
        "--visited", type=int, default=200_000, help="members among whom pages are asked for; 1000000 is the full size"
    )
    parser.add_argument(
        "--vouchers", type=int, default=600_000, help="vouchers among which tills verify; 1000000 is the full size"
    )
    options = parser.parse_args()
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="liyu-bench-"))
    try:
        with console.status("Filling an installation of its own"):
            installation = fill(folder, members=options.members, items=options.items)
        rows = []
        sizes = (options.lapsing, options.visited, options.vouchers)
        for row in measure_all(installation, options.seconds, *sizes):
            rows.append(row)
            console.print(f"{row.name}: {row.value:,.0f}{row.unit}, {row.ratio:.2f} × {row.ceiling:,.0f}  {row.note}")
        console.print(_table(rows))
        RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(rows)))
        try:
            console.print(installation.run("db", "prove").strip())
        except subprocess.CalledProcessError as fault:
            # pgbench writes its own rows past the desk; only what the desk wrote has to balance.
            console.print(fault.stdout)
            return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _table(rows: list[Row]) -> Table:
    table = Table(title="Speed as a ratio to a ceiling of the same run")
    for name in ("what", "measured", "ceiling", "ratio", "goal", ""):
        table.add_column(name, justify="left" if name == "what" else "right")
    for row in rows:
        verdict = "reached" if row.reached else "short"
        table.add_row(
            row.name,
            f"{row.value:,.0f} {row.unit}",
            f"{row.ceiling:,.0f}",
            f"{row.ratio:.2f} ×",
            f"≥ {row.goal:g} ×",
            verdict,
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
