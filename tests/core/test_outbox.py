import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from liyu.core.clock import FixedClock
from liyu.core.database import Sessions, unit_of_work
from liyu.core.outbox import MAIL, SMS, deliver_due, latest_messages, post

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


class _Mailbox(socketserver.StreamRequestHandler):
    """A mail server that takes everything."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                letter = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    letter += part
                self.server.letters.append(letter)  # type: ignore[attr-defined]
                self.wfile.write(b"250 taken\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 fine\r\n")


@pytest.fixture
def letters() -> Iterator[tuple[str, list[bytes]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mailbox) as server:
        server.letters = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}?from=liyu@example.com", server.letters  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


async def _post(sessions: Sessions, channel: str = MAIL) -> None:
    async with unit_of_work(sessions) as session:
        await post(
            session,
            channel=channel,
            recipient="a@example.com",
            subject="对账单",
            body="请查收。",
            locale="zh_CN",
            now=NOW,
        )


async def test_due_mail_is_sent_once(sessions: Sessions, letters: tuple[str, list[bytes]]) -> None:
    url, received = letters
    await _post(sessions)
    clock = FixedClock(NOW)
    assert await deliver_due(sessions, clock, url) == 1
    assert await deliver_due(sessions, clock, url) == 0
    assert len(received) == 1
    assert b"To: a@example.com" in received[0]
    async with sessions() as session:
        assert [message.sent_at for message in await latest_messages(session)] == [NOW]


async def test_mail_that_fails_waits_longer_each_time(sessions: Sessions, free_port: int) -> None:
    await _post(sessions)
    clock = FixedClock(NOW)
    url = f"smtp://127.0.0.1:{free_port}"
    assert await deliver_due(sessions, clock, url) == 0
    async with sessions() as session:
        message = (await latest_messages(session))[0]
        assert message.attempts == 1
        assert "ConnectionRefused" in (message.last_error or "")
        assert message.due_at == NOW + timedelta(minutes=2)
    assert await deliver_due(sessions, clock, url) == 0
    async with sessions() as session:
        assert (await latest_messages(session))[0].attempts == 1


async def test_sms_stays_in_the_outbox_without_a_gateway(sessions: Sessions, letters: tuple[str, list[bytes]]) -> None:
    await _post(sessions, SMS)
    assert await deliver_due(sessions, FixedClock(NOW), letters[0]) == 0
    assert letters[1] == []


async def test_a_rolled_back_transaction_leaves_no_message(sessions: Sessions) -> None:
    async with sessions() as session:
        await post(session, channel=SMS, recipient="+8613800138000", body="…", locale="en", now=NOW)
        await session.rollback()
    async with sessions() as session:
        assert await latest_messages(session) == []
