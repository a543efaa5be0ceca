"""`liyu vouchers`: vouchers on paper."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import rich_click as click
from rich.console import Console
from rich.progress import Progress

from liyu.cli.installation import connect, load_settings, report, run
from liyu.core.settings import Settings


@click.group()
def command() -> None:
    """Vouchers."""


@command.command("print")
@click.argument("sku")
@click.option(
    "--form", type=click.Choice(["pdf", "zip"]), default="pdf", show_default=True, help="One document, or a file each."
)
@click.option("--locale", type=click.Choice(["zh_CN", "en"]), default="zh_CN", show_default=True)
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
def print_vouchers(sku: str, form: Literal["pdf", "zip"], locale: str, target: Path) -> None:
    """Print the vouchers of an item that can still be used. A run that was stopped goes on where it was."""
    content = run(_print(load_settings(), sku, form, locale))
    target.write_bytes(content)
    report(f"{target}: {len(content):,} bytes")


async def _print(settings: Settings, sku: str, form: Literal["pdf", "zip"], locale: str) -> bytes:
    from liyu.core.storage import open_storage
    from liyu.members.program import load_terms
    from liyu.vouchers.batches import print_batch
    from liyu.vouchers.pdf import PdfMaker
    from liyu.vouchers.tokens import Tokens
    from liyu.web.assets import Assets
    from liyu.web.i18n import load_catalogs, use_locale
    from liyu.web.pages import make_environment
    from liyu.web.paper import VouchersWithStores, vouchers_to_html

    load_catalogs()
    use_locale(locale)
    storage, maker, tokens, environment = (
        open_storage(settings),
        PdfMaker(),
        Tokens(settings.secret_key),
        make_environment(Assets.read().address),
    )
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Printing", total=None)
        try:
            async with connect(settings) as connection:
                found = await connection.execute(
                    "SELECT v.id FROM voucher v JOIN item i ON i.id = v.item_id WHERE i.sku = %s "
                    "AND v.state IN ('issued', 'partly_used') AND v.expires_at > %s ORDER BY v.id",
                    (sku, datetime.now(UTC)),
                )
                ids = [row[0] for row in await found.fetchall()]
                if not ids:
                    raise click.ClickException(f"the item {sku} has no vouchers that can be used")
                terms = await load_terms(connection)

                def to_html(vouchers: VouchersWithStores) -> str:
                    return vouchers_to_html(
                        environment,
                        vouchers,
                        locale,
                        tokens=tokens,
                        zone=settings.timezone,
                        program_name=terms.name_en if locale == "en" else terms.name_zh,
                        support_phone=terms.support_phone,
                    )

                async def show_progress(done: int, total: int) -> None:
                    progress.update(task, completed=done, total=total)

                printed = await print_batch(
                    connection,
                    ids,
                    name=f"print/{sku}-{locale}.{form}",
                    form=form,
                    storage=storage,
                    maker=maker,
                    to_html=to_html,
                    progress=show_progress,
                )
            return await storage.get(printed.name)
        finally:
            await asyncio.to_thread(maker.close)
