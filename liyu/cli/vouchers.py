"""`liyu vouchers`: vouchers on paper, and given to many."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import rich_click as click
from msgspec import Struct
from psycopg import AsyncConnection

from liyu.cli.installation import clock, connect, load_settings, report, run, show_progress
from liyu.cli.issue import issue
from liyu.core.ids import make_token
from liyu.core.settings import Settings
from liyu.vouchers.sheets import FORMS, LAYOUTS, RUN_FORMS, Form, Layout

ACTOR = "cli"


class Wanted(Struct, frozen=True):
    """What is to be printed, and how."""

    sku: str | None
    run_id: int | None
    numbers: tuple[int, int] | None
    form: Form
    layout: Layout
    locale: str


class NumberRange(click.ParamType[tuple[int, int]]):
    """Numbers of a run: `7` or `1-500`."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Both ends. Fails for what is no range from a lower to a higher number."""
        first, _, last = str(value).partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or not 1 <= int(first) <= int(last or first):
            self.fail(f"{value!r} is no range such as 1-500", param, ctx)
        return int(first), int(last or first)


@click.group()
def command() -> None:
    """Print vouchers, give them to many, rotate their secret."""


command.add_command(issue)


@command.command("print")
@click.argument("sku", required=False)
@click.option("--run", "run_id", type=click.IntRange(min=1), help="The id of a print run, in place of an item.")
@click.option("--numbers", type=NumberRange(), help="Of the run only these, as 1-500; all of them if none are named.")
@click.option(
    "--form",
    type=click.Choice(RUN_FORMS),
    default="pdf",
    show_default=True,
    help="One document, a file each in a ZIP, or of a run its data for a print shop.",
)
@click.option(
    "--paper", "layout", type=click.Choice(LAYOUTS), default="a6", show_default=True,
    help="A page each, or four on a sheet with cut marks.",
)  # fmt: skip
@click.option("--locale", type=click.Choice(["zh_CN", "en"]), default="zh_CN", show_default=True)
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
def print_vouchers(
    sku: str | None,
    run_id: int | None,
    numbers: tuple[int, int] | None,
    form: Form,
    layout: Layout,
    locale: str,
    target: Path,
) -> None:
    """Print the vouchers of an item that can still be used, or those of a numbered run. What was stopped goes on where it was."""
    if (sku is None) == (run_id is None):
        raise click.UsageError("Name an item, or a run with --run.")
    if run_id is None and (numbers is not None or form not in FORMS):
        raise click.UsageError("Only the vouchers of a run have numbers, and their data as a file.")
    if not target.parent.is_dir():
        raise click.UsageError(f"There is no folder {target.parent} to write {target.name} into.")
    run(_print(load_settings(), Wanted(sku, run_id, numbers, form, layout, locale), target))
    report(f"{target}: {target.stat().st_size:,} bytes")


@command.command("rotate-key")
@click.option(
    "--after", type=click.IntRange(min=1), default=100_000, show_default=True,
    help="How many vouchers may be issued until every process runs with the new setting.",
)  # fmt: skip
def rotate_key(after: int) -> None:
    """Print a setting with one secret more, from which the codes of later vouchers are made. Nothing is changed."""
    from liyu.vouchers.keys import add_key

    settings = load_settings()
    first_id = run(_last_voucher(settings)) + after
    try:
        keys = add_key(settings.secret_key, settings.voucher_keys, first_id=first_id, secret=make_token())
    except ValueError as fault:
        raise click.ClickException(f"There is a newer secret already: {fault}.") from fault
    listed = ",".join(f"{first}:{secret}" for first, secret in keys)
    click.echo(f"LIYU_VOUCHER_KEYS={listed}")
    report(
        f"Set this for every process, the worker too, before voucher {first_id:,} is issued. Keep it as you keep the secret key."
    )


async def _last_voucher(settings: Settings) -> int:
    async with connect(settings) as connection:
        row = await (await connection.execute("SELECT last_value FROM voucher_id_seq")).fetchone()
    assert row is not None
    return int(row[0])


async def _print(settings: Settings, wanted: Wanted, target: Path) -> None:
    from liyu.core.storage import open_storage
    from liyu.vouchers.batches import carry_out, load_print
    from liyu.vouchers.pdf import BATCH_SECONDS, PdfMaker
    from liyu.web.paper import open_sheets

    storage, maker, now = open_storage(settings), PdfMaker(seconds=BATCH_SECONDS), clock().now()
    with show_progress("Printing") as move:
        try:
            async with connect(settings) as connection:
                print_id = await _order(connection, wanted, now)
                await carry_out(
                    connection,
                    print_id,
                    storage=storage,
                    maker=maker,
                    to_sheets=await open_sheets(settings)(connection),
                    now=now,
                    progress=lambda done, total: move(completed=done, total=total),
                )
                printed = await load_print(connection, print_id)
            with target.open("wb") as file:
                async for piece in storage.pieces(printed.file_name):
                    file.write(piece)
        finally:
            await asyncio.to_thread(maker.close)


async def _order(connection: AsyncConnection[Any], wanted: Wanted, now: datetime) -> int:
    """The print that does it: a new one, or that which was stopped on its way."""
    from liyu.vouchers.batches import Numbers, load_print, order_print, resume_print

    if wanted.run_id is None:
        item_id, numbers = await _find_item(connection, wanted.sku), None
    else:
        item_id, total = await _find_run(connection, wanted.run_id)
        numbers = Numbers(wanted.run_id, *(wanted.numbers or (1, total)))
    print_id, _ = await order_print(
        connection, item_id, locale=wanted.locale, layout=wanted.layout, form=wanted.form, actor=ACTOR, now=now,
        numbers=numbers,
    )  # fmt: skip
    if (await load_print(connection, print_id)).state == "stopped":
        await resume_print(connection, print_id, now)
    return print_id


async def _find_run(connection: AsyncConnection[Any], run_id: int) -> tuple[int, int]:
    """The item of a run, and how many numbers it has."""
    found = await (
        await connection.execute("SELECT item_id, total FROM voucher_run WHERE id = %s", (run_id,))
    ).fetchone()
    if found is None:
        raise click.ClickException(f"there is no run {run_id}")
    return int(found[0]), int(found[1])


async def _find_item(connection: AsyncConnection[Any], sku: str | None) -> int:
    found = await (await connection.execute("SELECT id FROM item WHERE sku = %s", (sku,))).fetchone()
    if found is None:
        raise click.ClickException(f"there is no item {sku}")
    item_id: int = found[0]
    return item_id
