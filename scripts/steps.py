"""One style for what the set-up and the checks tell: a line for each step, and its output only when it fails."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAST_LINES = 40


class StepFailedError(Exception):
    """A step went wrong; the text says what to show."""


def say(text: str) -> None:
    """Print one line at once, also into a pipe."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show a step while it runs and how long it took; ends the program with exit code 1 when it fails."""
    started = time.monotonic()
    print(f"  {title} … ", end="", flush=True)
    try:
        yield
    except StepFailedError as failure:
        say(f"failed\n{failure}")
        raise SystemExit(1) from failure
    say(f"{time.monotonic() - started:.1f} s")


def run(command: list[str], *, environment: Mapping[str, str] | None = None, all_output: bool = False) -> str:
    """Run a program in the project's folder without input and return its output.

    Raises StepFailedError with the last lines of it, or all of them with `all_output`.
    """
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise StepFailedError(f"    {command[0]}: {error}") from error
    if done.returncode != 0:
        lines = done.stdout.rstrip().splitlines()
        raise StepFailedError("\n".join(f"    {line}" for line in (lines if all_output else lines[-LAST_LINES:])))
    return done.stdout
