"""`liyu settle`: the statements of a month."""

import rich_click as click

from liyu.cli.installation import clock, connect, json_option, load_settings, run, show
from liyu.core.settings import Settings
from liyu.partners.settlement.settle import Prepared, prepare_statements


@click.command()
@click.argument("period")
@click.option("--partner", help="The code of one partner; all partners when not given.")
@click.option("--actor", default="cli", show_default=True, help="Who prepares; somebody else has to approve.")
@json_option
def command(period: str, partner: str | None, actor: str, as_json: bool) -> None:
    """Prepare the statements of PERIOD, a month such as 2026-10. Running it again changes only what something came to."""
    result = run(_settle(load_settings(), period, partner, actor))
    show(
        result,
        as_json=as_json,
        words=lambda: (
            f"{len(result.made)} statements made, {len(result.recalculated)} recalculated, {len(result.unchanged)} as they were."
        ),
    )


async def _settle(settings: Settings, period: str, partner: str | None, actor: str) -> Prepared:
    async with connect(settings) as connection, connection.transaction():
        return await prepare_statements(
            connection, period, actor=actor, now=clock().now(), zone=settings.timezone, partner=partner
        )
