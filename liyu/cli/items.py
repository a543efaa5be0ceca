"""`liyu items`: the catalog from a file."""

from pathlib import Path

import rich_click as click
from msgspec import to_builtins

from liyu.catalog.errors import FileFaultyError
from liyu.catalog.import_items import import_items, read_csv
from liyu.catalog.records import ImportResult
from liyu.cli.installation import clock, connect, json_option, load_settings, run, show
from liyu.core.settings import Settings


@click.group()
def command() -> None:
    """Import the catalog."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@click.pass_context
def import_file(context: click.Context, file: Path, as_json: bool) -> None:
    """Publish the items of a CSV file; known ones are changed. A faulty file changes nothing, and every fault is named.

    Needed are the columns sku, kind, name_zh and points; the README lists all.
    """
    try:
        result = run(_import(load_settings(), file))
    except FileFaultyError as fault:
        faults = [{"row": one.row, "column": one.column, "message": str(one.message)} for one in fault.faults]
        lines = [f"row {one['row']}{', ' if one['column'] else ''}{one['column']}: {one['message']}" for one in faults]
        if as_json:
            show({"created": 0, "changed": 0, "unchanged": 0, "faults": faults}, as_json=True, words=str)
        click.echo("\n".join([f"liyu: {fault}", *(f"  {line}" for line in lines)]), err=True)
        context.exit(1)
    show(to_builtins(result) | {"faults": []}, as_json=as_json, words=lambda: _in_words(result))


def _in_words(result: ImportResult) -> str:
    counts = f"{result.created} items published, {result.changed} changed, {result.unchanged} as they were."
    if not result.awaiting_codes:
        return counts
    return f"{counts}\nFewer codes than stock, so they offer what is there: {', '.join(result.awaiting_codes)}."


async def _import(settings: Settings, file: Path) -> ImportResult:
    rows = read_csv(file)
    async with connect(settings) as connection:
        return await import_items(connection, rows, actor="import", now=clock().now(), zone=settings.timezone)
