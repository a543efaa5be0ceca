"""One statement for all who ask the same question at once: whoever comes while one is under way goes into the next.

As at the desk, one question alone is a batch of one. Each question is asked of the database after it came, so that nobody is
told what was true before their own last request.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

MOST_IN_ONE = 256
MOST_UNDER_WAY = 2

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class Gathering(Generic[Key, Answer]):
    """Gathers keys that are waiting and has them answered together."""

    def __init__(self, ask: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Answer]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Key, asyncio.Future[Answer | None]]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def get(self, key: Key) -> Answer | None:
        """The answer for one key; None when there is none. Raises whatever the question raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | None] = loop.create_future()
        self._waiting.append((key, future))
        if len(self._under_way) < MOST_UNDER_WAY:
            # The task begins after all that has arrived by now has been read.
            task = loop.create_task(self._answer_waiting())
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return await future

    async def _answer_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_IN_ONE], self._waiting[MOST_IN_ONE:]
            try:
                answers = await self._ask([key for key, _ in batch])
            except BaseException as fault:
                _fail(batch, fault)
                if not isinstance(fault, Exception):
                    raise
            else:
                for key, future in batch:
                    # Whoever went away meanwhile waits no more.
                    if not future.done():
                        future.set_result(answers.get(key))


def _fail(batch: Sequence[tuple[Key, "asyncio.Future[Answer | None]"]], fault: BaseException) -> None:
    for _, future in batch:
        if future.done():
            continue
        if isinstance(fault, Exception):
            future.set_exception(fault)
        else:
            future.cancel()
