"""`liyu members`: members, opening balances, tiers and tags from a file."""

from pathlib import Path
from typing import Any

import rich_click as click
from msgspec import to_builtins
from psycopg import AsyncConnection

from liyu.cli.installation import clock, connect, json_option, load_settings, run, show, show_progress, tell_faults
from liyu.core.clock import local_date
from liyu.core.i18n import Message
from liyu.core.settings import Settings
from liyu.members.imports.apply import apply_import, confirm
from liyu.members.imports.errors import ImportNotReadyError, NothingToImportError
from liyu.members.imports.queries import STATUSES, Import, ImportRow, find_unfinished, list_rows, load_import
from liyu.members.imports.read import digest_of
from liyu.members.imports.service import Work, dry_run, move, take_in

ACTOR = "cli"


@click.group()
def command() -> None:
    """Import members, opening balances, tiers and tags."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", "only_compare", is_flag=True, help="Say what would change, and change no member.")
@json_option
def import_file(file: Path, only_compare: bool, as_json: bool) -> None:
    """Import members, opening balances as dated lots, tiers and tags from XLSX or CSV.

    Faulty rows are named and left out; the others are applied. It can be stopped at any time and run again with the same
    file: what was done is not done twice. The console gives a template, shows every difference, and undoes.
    """
    result = run(_import(load_settings(), file, only_compare=only_compare))
    show(result, as_json=as_json, words=lambda: _in_words(result))


async def _import(settings: Settings, file: Path, *, only_compare: bool) -> dict[str, Any]:
    now, digest = clock().now(), digest_of(file)
    async with connect(settings) as connection:
        import_id = await find_unfinished(connection, digest, ACTOR)
        if import_id is None:
            async with connection.transaction():
                import_id = await take_in(connection, file.name, digest, storage=None, actor=ACTOR, now=now)
        with show_progress("Reading") as move_bar:
            work = Work(import_id, ACTOR, now, lambda rows: move_bar(completed=rows))
            if (await load_import(connection, import_id)).state != "applying":
                await dry_run(connection, work, file, local_date(now, settings.timezone))
            if not only_compare:
                rows = (await load_import(connection, import_id)).to_do
                move_bar(description="Importing", completed=0, total=rows)
                await _apply(connection, work, settings)
        found = await load_import(connection, import_id)
        faulty = await list_rows(connection, import_id, status="faulty", size=max(found.counts.get("faulty", 0), 1))
    return _result(found, faulty.rows, only_compare=only_compare)


async def _apply(connection: AsyncConnection[Any], work: Work, settings: Settings) -> None:
    try:
        async with connection.transaction():
            await confirm(connection, work)
    except ImportNotReadyError:
        pass  # It was confirmed before it was stopped.
    except NothingToImportError:
        async with connection.transaction():
            await move(connection, work, "discarded")
        return
    await apply_import(connection, work, settings.timezone)


def _result(found: Import, faulty: list[ImportRow], *, only_compare: bool) -> dict[str, Any]:
    failures = [
        {
            "row": row.row,
            "faults": [{"column": one.column, "message": str(Message(one.text, one.values))} for one in row.faults],
        }
        for row in faulty
    ]
    totals = to_builtins(found.totals) | {"difference": found.totals.difference}
    counts = {status: found.counts.get(status, 0) for status in STATUSES}
    notes = [str(Message(note.text, note.values)) for note in found.notes]
    return {
        "import": found.id, "state": found.state, "dry_run": only_compare, "encoding": found.encoding, "notes": notes,
        "rows": found.rows, **counts, "points": totals, "failures": failures,
    }  # fmt: skip


def _in_words(result: dict[str, Any]) -> str:
    points = result["points"]
    lines = [f"{note}" for note in result["notes"]]
    lines += [
        f"{result['new']} new, {result['changed']} changed, {result['unchanged']} unchanged, {result['faulty']} faulty."
    ]
    lines.append(
        f"Points in the file: {points['stated']}; in the ledger now: {points['opened']}, from earlier imports: "
        f"{points['before']}, still to come: {points['to_come']}, in faulty rows: {points['faulty']}; "
        f"difference: {points['difference']}."
    )
    return "\n".join([*lines, *tell_faults([_fault_line(failure) for failure in result["failures"]])])


def _fault_line(failure: dict[str, Any]) -> str:
    words = (": ".join(filter(None, (one["column"], one["message"]))) for one in failure["faults"])
    return f"row {failure['row']}: {'; '.join(words)}"
