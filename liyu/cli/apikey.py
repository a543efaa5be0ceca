"""`liyu apikey`: keys with which other systems call the API."""

import rich_click as click

from liyu.cli.installation import clock, connect, json_option, load_settings, open_unit_of_work, report, run, show
from liyu.core.access.keys import create_api_key, revoke_api_key
from liyu.core.settings import Settings
from liyu.partners.find import find_partner_id
from liyu.partners.queries import KeyLine, list_api_keys


@click.group()
def command() -> None:
    """Keys with which other systems call the API."""


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
    async with open_unit_of_work(settings) as session:
        partner_id = None if partner_code is None else await find_partner_id(session, partner_code)
        return await create_api_key(session, name=name, scopes=scopes, partner_id=partner_id, now=clock().now())


@command.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List all keys, the revoked ones too."""
    keys = run(_list(load_settings()))
    show(keys, as_json=as_json, words=lambda: "\n".join(_describe(key) for key in keys) or "There are no keys.")


def _describe(key: KeyLine) -> str:
    end = f", revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
    reach = f" of {key.partner}" if key.partner else ""
    return f"{key.id:>4}  {key.prefix}…  {key.name}{reach}: {','.join(key.scopes)}, made {key.created_at:%Y-%m-%d}{end}"


async def _list(settings: Settings) -> list[KeyLine]:
    async with connect(settings) as connection:
        return await list_api_keys(connection)


@command.command()
@click.argument("key_id", type=click.IntRange(min=1))
def revoke(key_id: int) -> None:
    """End the key with this id, such as one that was seen by others. It is refused within seconds, and for ever."""
    run(_revoke(load_settings(), key_id))
    report(f"Key {key_id} is revoked.")


async def _revoke(settings: Settings, key_id: int) -> None:
    async with open_unit_of_work(settings) as session:
        if not await revoke_api_key(session, key_id, now=clock().now()):
            raise click.ClickException(f"no key in use has the id {key_id}; `liyu apikey list` shows them")
