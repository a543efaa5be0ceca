"""`liyu vouchers`: vouchers on paper."""

import asyncio
from pathlib import Path
from typing import Any

import rich_click as click
from psycopg import AsyncConnection
from rich.console import Console
from rich.progress import Progress

from liyu.cli.installation import clock, connect, load_settings, report, run
from liyu.core.settings import Settings
from liyu.vouchers.sheets import FORMS, LAYOUTS, Form, Layout

ACTOR = "command"


@click.group()
def command() -> None:
    """Vouchers."""


@command.command("print")
@click.argument("sku")
@click.option(
    "--form", type=click.Choice(FORMS), default="pdf", show_default=True, help="One document, or a file each in a ZIP."
)
@click.option(
    "--paper", "layout", type=click.Choice(LAYOUTS), default="a6", show_default=True,
    help="A page each, or four on a sheet with cut marks.",
)  # fmt: skip
@click.option("--locale", type=click.Choice(["zh_CN", "en"]), default="zh_CN", show_default=True)
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
def print_vouchers(sku: str, form: Form, layout: Layout, locale: str, target: Path) -> None:
    """Print the vouchers of an item that can still be used. A run that was stopped goes on where it was."""
    run(_print(load_settings(), sku, form, layout, locale, target))
    report(f"{target}: {target.stat().st_size:,} bytes")


async def _print(settings: Settings, sku: str, form: Form, layout: Layout, locale: str, target: Path) -> None:
    from liyu.core.storage import open_storage
    from liyu.vouchers.batches import carry_out, load_print, order_print, resume_print
    from liyu.vouchers.pdf import BATCH_SECONDS, PdfMaker
    from liyu.web.paper import open_sheets

    storage, maker, now = open_storage(settings), PdfMaker(seconds=BATCH_SECONDS), clock().now()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Printing", total=None)

        def show_progress(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        try:
            async with connect(settings) as connection:
                await connection.set_autocommit(True)
                item_id = await _find_item(connection, sku)
                print_id, _ = await order_print(
                    connection, item_id, locale=locale, layout=layout, form=form, actor=ACTOR, now=now
                )
                if (await load_print(connection, print_id)).state == "stopped":
                    await resume_print(connection, print_id)
                await carry_out(
                    connection,
                    print_id,
                    storage=storage,
                    maker=maker,
                    to_sheets=await open_sheets(settings)(connection),
                    now=now,
                    progress=show_progress,
                )
                printed = await load_print(connection, print_id)
            with target.open("wb") as file:
                async for piece in storage.pieces(printed.file_name):
                    file.write(piece)
        finally:
            await asyncio.to_thread(maker.close)


async def _find_item(connection: AsyncConnection[Any], sku: str) -> int:
    found = await (await connection.execute("SELECT id FROM item WHERE sku = %s", (sku,))).fetchone()
    if found is None:
        raise click.ClickException(f"there is no item {sku}")
    item_id: int = found[0]
    return item_id
