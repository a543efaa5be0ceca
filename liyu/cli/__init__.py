"""The command `liyu`. Each subcommand lives in a module of its own, loaded only when it is called."""

import sys
from importlib import import_module

import rich_click as click

from liyu.core.errors import DomainError
from liyu.core.settings import SettingsError

COMMANDS = ("apikey", "db", "demo", "events", "items", "members", "partners", "points", "run", "serve", "settle", "tiers",
    "user", "vouchers", "worker")  # fmt: skip


class _LazyGroup(click.RichGroup):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"liyu.cli.{name}").command
        # The help calls commands by the names they carry themselves, and each is called `command` in its module.
        command.name = name
        return command


@click.group(cls=_LazyGroup)
def commands() -> None:
    """Liyu 礼遇: a points mall and partner-rights marketplace."""


def main() -> None:
    """Run a command. A wrong argument gives one line and exit 2, a refusal its reasons and exit 1."""
    try:
        # Outside standalone mode an exit inside a command comes back as the status.
        status = commands.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.UsageError as fault:
        _complain(f"{fault.format_message()}", 2)
    except (click.Abort, KeyboardInterrupt):
        _complain("stopped", 130)
    except click.ClickException as fault:
        _complain(fault.format_message(), fault.exit_code)
    except SettingsError as fault:
        _complain(str(fault), 2)
    except DomainError as fault:
        reasons = [f"  {reason.details.get('field', reason.code)}: {reason.message}" for reason in fault.reasons]
        _complain("\n".join([str(fault), *reasons]), 1)


def _complain(text: str, status: int) -> None:
    click.echo(f"liyu: {text}", err=True)
    sys.exit(status)
