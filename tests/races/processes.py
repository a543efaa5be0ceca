"""Running desk processes side by side."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

import msgspec

from liyu.redemption.state import RedeemRequest
from tests.races.desk_process import Orders


async def start(orders: Orders) -> Process:
    """A desk process that is ready and waits for its start signal."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.races.desk_process", stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(orders) + b"\n")
    await process.stdin.drain()
    line = await process.stdout.readline()
    if line.strip() != b"ready":
        _, errors = await process.communicate()
        raise RuntimeError(errors.decode())
    return process


def let_go(process: Process) -> None:
    """Give the start signal."""
    assert process.stdin is not None
    process.stdin.write(b"go\n")


async def finish(process: Process) -> list[list[str]]:
    """The outcomes, each as the words of its line."""
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode())
    return [line.split() for line in output.decode().splitlines()]


async def race(
    url: str, *wishes: list[RedeemRequest], unguarded: bool = False, pause: float = 0.0, batch_size: int = 256
) -> list[list[str]]:
    """Let one process for each list of wishes go at the same moment, and gather the outcomes."""
    processes = await asyncio.gather(*(start(Orders(url, part, unguarded, pause, batch_size)) for part in wishes))
    for process in processes:
        let_go(process)
    return [line for lines in await asyncio.gather(*(finish(process) for process in processes)) for line in lines]


def granted(outcomes: list[list[str]]) -> list[str]:
    """The numbers of the redemptions that went through."""
    return [line[1] for line in outcomes if line[0] == "granted"]
