"""`python -m bench.imports`: members of a file with tiers, growth value and opening points, into an installation of its own.

Reading, comparing and applying by `liyu members import`, each timed by the command itself; then the books are proven. The
issue asks for 100,000 members in at most 120 s.
"""

import argparse
import csv
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from bench.installation import fill
from bench.members import GIVEN, SURNAMES

SECONDS = 120
TIERS = ("silver", "gold", "")
HEADER = (
    "external_id", "phone", "name", "email", "birthday", "city", "joined_on", "tier", "growth", "points", "expires_on",
)  # fmt: skip


def main() -> int:
    """Import so many members; the exit code tells whether all are there within the time and the books balance."""
    parser = argparse.ArgumentParser(prog="bench.imports", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="liyu-bench-", ignore_cleanup_errors=True) as folder:
        installation = fill(Path(folder), members=1, items=1)
        file = Path(folder) / "members.csv"
        write_members(file, rows)
        times = []
        for arguments in (["--dry-run"], []):
            began = time.perf_counter()
            result = json.loads(installation.run("members", "import", str(file), "--json", *arguments))
            times.append(time.perf_counter() - began)
        installation.run("db", "prove")
    print(f"{rows:,} members: dry run {times[0]:.0f} s, import {times[1]:.0f} s (at most {SECONDS} s)")
    is_complete = result["new"] == rows and result["points"]["difference"] == 0
    return 0 if is_complete and times[1] <= SECONDS else 1


def write_members(file: Path, rows: int) -> None:
    """A file of so many made-up members, none of whom is there yet."""
    draw = random.Random(1)
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADER)
        for number in range(rows):
            name = draw.choice(SURNAMES) + draw.choice(GIVEN) + draw.choice(GIVEN)
            writer.writerow(
                [
                    f"file-{number}", f"138{number:08d}", name, f"m{number}@example.com", f"{1960 + number % 40}-02-03", "上海",
                    "2024-03-01", draw.choice(TIERS), draw.randint(0, 900), draw.randint(1, 5_000), "2099-12-31",
                ]
            )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
