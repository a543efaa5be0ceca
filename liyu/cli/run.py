"""`liyu run`, the supervisor behind `make run`: database, demo program, server and worker together, until Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import rich_click as click

from liyu.cli.db import upgrade_database
from liyu.cli.installation import load_settings, report
from liyu.core.embedded import EmbeddedPostgres
from liyu.core.settings import Settings
from liyu.demo.logins import describe_logins

FIRST_PORT = 8000
PORTS_TO_TRY = 20
READY_SECONDS = 60.0
# More than the worker takes to finish the job at hand.
STOP_SECONDS = 25.0
POLL_SECONDS = 0.05
DEFAULT_BASE_URL = "http://127.0.0.1:8000"


class RunFailedError(Exception):
    """Liyu cannot start or has stopped by itself; the text is for the person at the terminal."""


class StopRequestedError(Exception):
    """Somebody pressed Ctrl-C or ended us with SIGTERM."""


@click.command()
@click.option("--host", default="127.0.0.1", help="The address to listen on.")
@click.option("--port", type=int, help=f"The port to listen on; the first free one from {FIRST_PORT} by default.")
def command(host: str, port: int | None) -> None:
    """Start everything with the demo program, print the addresses, and stop everything on Ctrl-C."""
    signal.signal(signal.SIGTERM, _request_stop)
    signal.signal(signal.SIGINT, _request_stop)
    try:
        with _database() as settings:
            Supervisor(settings, host, port or find_free_port(host)).run()
    except StopRequestedError:
        report("\nLiyu has stopped.")
    except RunFailedError as error:
        raise click.ClickException(str(error)) from error


def find_free_port(host: str) -> int:
    """The first port from 8000 on which nobody listens, so that several installations run side by side."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TO_TRY):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return port
    raise RunFailedError(f"No free port from {FIRST_PORT} to {FIRST_PORT + PORTS_TO_TRY - 1}; choose one with --port.")


@contextmanager
def _database() -> Iterator[Settings]:
    """The settings with an up-to-date database; when all is over, wait until the embedded one is down."""
    settings = load_settings()
    try:
        upgrade_database(settings)
        yield settings
    finally:
        EmbeddedPostgres(settings.data_dir).release(wait=True)


class Supervisor:
    """Server and worker as children that end when this process ends, however it ends."""

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self.settings = settings
        self.host = host
        self.port = port
        self.address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 (compared, not bound)
        self.logs = settings.data_dir / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        base_url = self.address if settings.base_url == DEFAULT_BASE_URL else settings.base_url
        self.environment = {**os.environ, "LIYU_BASE_URL": base_url}
        self.children: dict[str, subprocess.Popen[bytes]] = {}

    def run(self) -> None:
        """Load the demo program, start the children and watch them until a stop is asked for.

        Raises StopRequestedError, or RunFailedError when a child ends by itself.
        """
        try:
            # Also where members have joined: it refuses a demo that was left half-way.
            self._call("demo", "--if-empty")
            self._start("serve", "--host", self.host, "--port", str(self.port))
            self._start("worker")
            self._wait_until_ready()
            self._show_addresses()
            while True:
                self._check_children()
                time.sleep(POLL_SECONDS)
        finally:
            self._stop_children()

    def _command(self, *arguments: str) -> list[str]:
        return ["setpriv", "--pdeathsig", "TERM", "--", str(Path(sys.executable).with_name("liyu")), *arguments]

    def _call(self, *arguments: str) -> None:
        """Run a command of Liyu to its end, with its progress on this terminal."""
        child = subprocess.Popen(self._command(*arguments), env=self.environment, stdin=subprocess.DEVNULL)
        try:
            failed = child.wait() != 0
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
        if failed:
            raise RunFailedError(f"`liyu {' '.join(arguments)}` failed.")

    def _start(self, name: str, *arguments: str) -> None:
        # A session of its own keeps the terminal's Ctrl-C from the child: it hears of the stop from us, once.
        with (self.logs / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                self._command(name, *arguments),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            self._check_children()
            if time.monotonic() > deadline:
                raise RunFailedError(f"The server is not ready after {READY_SECONDS:.0f} s. {self._log_hint('serve')}")
            time.sleep(POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/readyz", timeout=2) as answer:  # noqa: S310 (our own address)
                return bool(answer.status == 200)
        except OSError:
            return False

    def _check_children(self) -> None:
        for name, child in self.children.items():
            if child.poll() is not None:
                raise RunFailedError(f"`liyu {name}` ended with exit code {child.returncode}. {self._log_hint(name)}")

    def _log_hint(self, name: str) -> str:
        path = self.logs / f"{name}.log"
        last_lines = "\n".join(path.read_text(errors="replace").splitlines()[-15:])
        return f"The end of {path}:\n{last_lines}"

    def _show_addresses(self) -> None:
        click.echo(f"\n  Mall      {self.address}/")
        click.echo(f"  Portal    {self.address}/partner")
        click.echo(f"  Console   {self.address}/console\n")
        click.echo(textwrap.indent(describe_logins(), "  "))
        click.echo(f"\nLogs are in {self.logs}. Ctrl-C stops Liyu.")

    def _stop_children(self) -> None:
        running = [child for child in self.children.values() if child.poll() is None]
        for child in running:
            child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in running:
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _request_stop(signal_number: int, frame: FrameType | None) -> None:
    # One stop is enough: a second Ctrl-C must not break off the orderly end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise StopRequestedError
