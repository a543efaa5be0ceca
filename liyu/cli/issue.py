"""`liyu vouchers issue`: one item for many members, for nothing."""

from pathlib import Path
from typing import Any

import rich_click as click
from msgspec import structs, to_builtins
from psycopg import AsyncConnection

from liyu.cli.installation import clock, connect, json_option, load_settings, run, show, show_progress, tell_faults
from liyu.core.clock import local_date
from liyu.core.errors import DomainError
from liyu.core.settings import Settings
from liyu.redemption.campaigns.issue import carry_out
from liyu.redemption.campaigns.people import choose, fault_message, read_list
from liyu.redemption.campaigns.preview import preview
from liyu.redemption.campaigns.records import Campaign, Chosen, count_reasons, find_by_name, list_faults, load_campaign
from liyu.redemption.campaigns.service import Draft, discard_campaign, draft_campaign, resume_campaign, start_campaign

ACTOR = "cli"
_CHOSEN_BY = {"file": "list", "segment": "segment", "tag": "tag", "tier": "tier", "everybody": "everybody"}
"""How the people are chosen, by the option."""


@click.command("issue")
@click.argument("sku")
@click.option("--name", required=True, help="Of the campaign; no other has it, so that nobody gets anything twice.")
@click.option("--reason", required=True, help="What members read in the notice.")
@click.option("--quantity", type=click.IntRange(1, 10), default=1, show_default=True, help="Units for each member.")
@click.option(
    "--list", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="XLSX or CSV with member numbers or phones.",
)  # fmt: skip
@click.option("--segment", help="A segment by its name.")
@click.option("--tag", help="A tag by its code.")
@click.option("--tier", help="A tier by its code.")
@click.option("--everybody", is_flag=True, help="All members.")
@click.option("--skip-holders", is_flag=True, help="Leave out who holds a usable voucher of the item.")
@click.option("--dry-run", "only_look", is_flag=True, help="Say what would happen, and give nothing.")
@json_option
def issue(sku: str, name: str, reason: str, quantity: int, as_json: bool, **options: Any) -> None:
    """Give an item to many members, once each. A run that was stopped goes on where it was.

    What is more than one person may give away in a day waits for somebody's approval in the console.
    """
    chosen = [how for option, how in _CHOSEN_BY.items() if options[option]]
    if len(chosen) != 1:
        raise click.UsageError("say who it is for with one of --list, --segment, --tag, --tier and --everybody")
    draft = Draft(
        name=name,
        sku=sku,
        reason=reason,
        quantity=quantity,
        chosen=Chosen("everybody"),
        skips_holders=options["skip_holders"],
    )
    try:
        result = run(_issue(load_settings(), draft, chosen[0], options))
    except DomainError as refusal:
        raise click.ClickException(
            "; ".join([str(refusal.text), *(str(one.message) for one in refusal.reasons)])
        ) from refusal
    show(result, as_json=as_json, words=lambda: _in_words(result))


async def _issue(settings: Settings, draft: Draft, how: str, options: dict[str, Any]) -> dict[str, Any]:
    async with connect(settings) as connection:
        if options["only_look"]:
            async with connection.transaction(force_rollback=True):
                return await _look(connection, await _draft(connection, draft, how, options, settings), settings)
        campaign = await find_by_name(connection, draft.name)
        if campaign is None or campaign.state == "draft":
            async with connection.transaction():
                campaign = await _draft(connection, draft, how, options, settings)
        elif (campaign.sku, campaign.quantity) != (draft.sku, draft.quantity):
            raise click.ClickException(f"the campaign {draft.name} gives something else")
        faults = await list_faults(connection, campaign.id)
        now = clock().now()
        async with connection.transaction():
            if campaign.state == "draft":
                await start_campaign(connection, campaign.id, actor=ACTOR, now=now, zone=settings.timezone)
            elif campaign.state == "stopped":
                await resume_campaign(connection, campaign.id, actor=ACTOR, now=now)
        await _carry_out(connection, campaign, settings)
        done = await load_campaign(connection, campaign.id)
        return _result(done, dict(await count_reasons(connection, done.id)), faults, state=done.state, expected=0)


async def _look(connection: AsyncConnection[Any], campaign: Campaign, settings: Settings) -> dict[str, Any]:
    now, zone = clock().now(), settings.timezone
    seen = await preview(connection, campaign, now=now, today=local_date(now, zone), zone=zone)
    faults = await list_faults(connection, campaign.id)
    return _result(campaign, dict(seen.left_out), faults, state="dry_run", expected=seen.get_it)


async def _draft(
    connection: AsyncConnection[Any], draft: Draft, how: str, options: dict[str, Any], settings: Settings
) -> Campaign:
    now = clock().now()
    earlier = await find_by_name(connection, draft.name)
    if earlier is not None and (earlier.state, earlier.made_by) == ("draft", ACTOR):
        # A run that was stopped before it began. What somebody drafts in the console is theirs.
        await discard_campaign(connection, earlier.id, actor=ACTOR, now=now)
    listed = read_list(options["file"]) if how == "list" else None
    wanted = structs.replace(draft, chosen=await choose(connection, how, _name(how, options)))
    made, _ = await draft_campaign(connection, wanted, actor=ACTOR, now=now, zone=settings.timezone, listed=listed)
    return await load_campaign(connection, made)


def _name(how: str, options: dict[str, Any]) -> str:
    """What the people are chosen by is called."""
    match how:
        case "list":
            return str(options["file"].name)
        case "everybody":
            return ""
        case _:
            return str(options[how])


async def _carry_out(connection: AsyncConnection[Any], campaign: Campaign, settings: Settings) -> None:
    with show_progress("Giving") as move:
        await carry_out(
            connection, campaign.id, actor=ACTOR, now=clock().now, zone=settings.timezone,
            progress=lambda done, total: move(completed=done, total=total),
        )  # fmt: skip


def _result(
    found: Campaign, reasons: dict[str, int], faults: list[dict[str, Any]], *, state: str, expected: int
) -> dict[str, Any]:
    return {
        "campaign": None if state == "dry_run" else found.id, "state": state, "members": found.people, "given": found.given,
        "left_out": found.left_out, "would_get": expected, "reasons": reasons,
        "faults": [{"row": one["row"], "message": str(fault_message(one))} for one in to_builtins(faults)],
    }  # fmt: skip


def _in_words(result: dict[str, Any]) -> str:
    lines = [f"{result['members']} members are meant, {result['given']} were given it, {result['left_out']} left out."]
    if result["state"] == "dry_run":
        lines = [f"{result['members']} members are meant, {result['would_get']} would get it. Nothing was given."]
    if result["state"] == "asked":
        lines.append("It is more than one person may give away in a day: somebody has to approve it in the console.")
    lines += [f"  {reason}: {members}" for reason, members in result["reasons"].items()]
    lines += tell_faults([f"row {one['row']}: {one['message']}" for one in result["faults"]])
    return "\n".join(lines)
