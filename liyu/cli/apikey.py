"""`liyu apikey`: keys with which other systems call the API."""

import rich_click as click

from liyu.cli.installation import clock, load_settings, run
from liyu.core.access.keys import create_api_key
from liyu.core.database import make_engine, make_sessions, unit_of_work
from liyu.core.settings import Settings
from liyu.partners.find import find_partner_id


@click.group()
def command() -> None:
    """Keys of the API."""


@command.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option("--scopes", required=True, help="`all`, or scopes with commas between: members:read,events:write …")
@click.option(
    "--partner", "partner_code", help="The partner whose own data the key reaches; without it, all of the program."
)
def create(name: str, scopes: str, partner_code: str | None) -> None:
    """Make a key and print it, alone, on standard output. It is shown only this once."""
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    click.echo(run(_create(load_settings(), name, wanted, partner_code)))


async def _create(settings: Settings, name: str, scopes: list[str], partner_code: str | None) -> str:
    assert settings.database_url is not None
    engine = make_engine(settings.database_url, pool_size=1)
    try:
        async with unit_of_work(make_sessions(engine)) as session:
            partner_id = None if partner_code is None else await find_partner_id(session, partner_code)
            return await create_api_key(session, name=name, scopes=scopes, partner_id=partner_id, now=clock().now())
    finally:
        await engine.dispose()
