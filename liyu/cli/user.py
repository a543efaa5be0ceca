"""`liyu user`: staff accounts of the operator and of partners."""

import rich_click as click

from liyu.cli.installation import clock, load_settings, open_unit_of_work, report, run
from liyu.core.access.staff import create_staff
from liyu.core.settings import Settings
from liyu.partners.find import find_partner_id


@click.group()
def command() -> None:
    """Accounts of staff, the operator's and partners'."""


@command.command()
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option(
    "--role",
    required=True,
    help="Operator: admin, operator, finance, service. Partner: owner, manager, cashier, finance.",
)
@click.option("--partner", "partner_code", help="The partner the person works for; without it, the operator.")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for when not given.")
def create(email: str, name: str, role: str, partner_code: str | None, password: str) -> None:
    """Make a staff account."""
    run(_create(load_settings(), email, name, role, partner_code, password))
    report(f"{email} can sign in now.")


async def _create(
    settings: Settings, email: str, name: str, role: str, partner_code: str | None, password: str
) -> None:
    async with open_unit_of_work(settings) as session:
        partner_id = None if partner_code is None else await find_partner_id(session, partner_code)
        await create_staff(
            session,
            email=email,
            name=name,
            password=password,
            audience="operator" if partner_id is None else "partner",
            role=role,
            partner_id=partner_id,
            now=clock().now(),
        )
