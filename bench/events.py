"""Earning events in batches of a thousand over HTTP, against COPY of the same rows into one plain table.

Both send the same batches from as many connections and commit each batch; what is sent is made ready before the clock starts.
"""

import http.client
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg

from bench.installation import Installation, serve

BATCH = 1_000
SENDERS = 2
WORKERS = 2
AVERAGE_AMOUNT = 12_850

_PLAIN = """
    CREATE TABLE bench_event (member text, type text, reference text, occurred_at timestamptz, amount_minor bigint,
        currency text)"""
_COPY = "COPY bench_event FROM STDIN"

Batch = list[dict[str, Any]]


class EventFigures(msgspec.Struct):
    """Rows a second, each way."""

    posted: float
    copied: float
    batches: int


def measure_batches(installation: Installation, batches: int) -> EventFigures:
    """Post and copy so many batches of purchases."""
    key = installation.run("apikey", "create", "--name", "bench-events", "--scopes", "events:write").strip()
    portions = [_make_batches(installation, sender, batches // SENDERS) for sender in range(SENDERS)]
    warm_up = [_make_batches(installation, sender, 1) for sender in range(SENDERS)]
    with serve(installation, workers=WORKERS) as port:
        _send_all(warm_up, _post_to(port, key))
        posted = _send_all(portions, _post_to(port, key))
    with psycopg.connect(installation.url, autocommit=True) as connection:
        connection.execute(_PLAIN)
        copied = _send_all(portions, _copy_to(installation.url))
        connection.execute("DROP TABLE bench_event")
    return EventFigures(posted, copied, len(portions) * len(portions[0]))


def _make_batches(installation: Installation, sender: int, count: int) -> list[Batch]:
    """Purchases of members that no other sender has, of the last three weeks."""
    run, draw = time.time_ns(), random.Random(sender)
    members = range(sender + 1, installation.members + 1, SENDERS)
    began = datetime.now(UTC) - timedelta(days=21)
    return [
        [
            {
                "member": f"bench-{draw.choice(members)}",
                "type": "purchase",
                "reference": f"{run}-{sender}-{batch}-{row}",
                "occurred_at": (began + timedelta(seconds=draw.randint(0, 20 * 86_400))).isoformat(),
                "amount_minor": draw.randint(100, 2 * AVERAGE_AMOUNT),
                "currency": "CNY",
            }
            for row in range(BATCH)
        ]
        for batch in range(count)
    ]


def _send_all(portions: list[list[Batch]], make: Callable[[list[Batch]], Callable[[], None]]) -> float:
    """Let each sender send its batches, all at once; rows a second."""
    sends = [make(portion) for portion in portions]
    began = time.perf_counter()
    with ThreadPoolExecutor(len(sends)) as pool:
        for done in [pool.submit(send) for send in sends]:
            done.result()
    return sum(len(batch) for portion in portions for batch in portion) / (time.perf_counter() - began)


def _post_to(port: int, key: str) -> Callable[[list[Batch]], Callable[[], None]]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def make(portion: list[Batch]) -> Callable[[], None]:
        bodies = [msgspec.json.encode(batch) for batch in portion]

        def send() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            for body in bodies:
                connection.request("POST", "/api/v1/events/batch", body, headers)
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != 200 or b'"ok":%d,' % BATCH not in content[:100]:
                    raise RuntimeError(f"a batch was refused: {answer.status} {content[:200]!r}")
            connection.close()

        return send

    return make


def _copy_to(url: str) -> Callable[[list[Batch]], Callable[[], None]]:
    def make(portion: list[Batch]) -> Callable[[], None]:
        texts = ["".join("\t".join(str(value) for value in row.values()) + "\n" for row in batch) for batch in portion]

        def send() -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                for text in texts:
                    with connection.cursor().copy(_COPY) as copy:
                        copy.write(text)

        return send

    return make
