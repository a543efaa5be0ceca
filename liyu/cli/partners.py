"""`liyu partners`: partners, their stores and agreements from a file."""

from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from liyu.cli.installation import clock, connect, json_option, load_settings, run, show
from liyu.core.settings import Settings
from liyu.partners.register import Imported, import_partners


@click.group()
def command() -> None:
    """Import partners, their stores and agreements."""


@command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def import_file(file: Path, as_json: bool) -> None:
    """Write the partners of a JSON file: companies, stores and agreement lines. A faulty file changes nothing."""
    try:
        records = msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError as fault:
        raise click.ClickException(f"{file.name} is not JSON: {fault}") from fault
    result = run(_import(load_settings(), records))
    show(result, as_json=as_json, words=lambda: f"{result.created} partners made, {result.updated} changed.")


async def _import(settings: Settings, records: Any) -> Imported:
    async with connect(settings) as connection, connection.transaction():
        return await import_partners(connection, records, actor="import", now=clock().now(), zone=settings.timezone)
