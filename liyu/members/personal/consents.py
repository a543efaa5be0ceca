"""Consents 同意: each wording is a version, each yes and each withdrawal an entry; nothing is changed afterwards.

A yes holds for the wording that was read: a newer version asks anew. What needs a yes: docs/algorithms/account.md "Consents".
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection

from liyu.core.database import fetch_all
from liyu.core.errors import InvalidInputError, NotFoundError
from liyu.core.i18n import N_, Message
from liyu.members.personal.errors import TextReplacedError
from liyu.members.personal.locking import lock_open_member

SMS, MAIL, PERSONAL = "sms", "mail", "personal"
PURPOSES = (SMS, MAIL, PERSONAL)
LONGEST_TEXT = 2000
PROGRAM = "program"
"""Who published the texts that an installation begins with."""

DEFAULT_TEXTS = {
    SMS: (
        "我同意通过短信接收活动和权益等营销信息。我可以随时撤回。登录验证码、我的积分到期等服务通知不受影响。",
        (
            "I agree to receive offers and rights by text message. I can take this back at any time. Service messages, such as "
            "codes to sign in and word of my own points that lapse, come in any case."
        ),
    ),
    MAIL: (
        "我同意通过电子邮件接收活动和权益等营销信息。我可以随时撤回。我的积分到期等服务通知不受影响。",
        (
            "I agree to receive offers and rights by e-mail. I can take this back at any time. Service messages, such as word of "
            "my own points that lapse, come in any case."
        ),
    ),
    PERSONAL: (
        "我同意根据我的消费与兑换记录，为我推荐更合适的商品和权益。我可以随时撤回。",
        "I agree that my purchases and redemptions are used to recommend items and rights. I can take this back at any time.",
    ),
}


class ConsentWording(Struct, frozen=True):
    """A version of a text."""

    id: int
    purpose: str
    version: int
    text_zh: str
    text_en: str
    published_at: datetime
    published_by: str
    given: int = 0
    """How many members' yes to it holds; counted for operators."""


class ConsentStanding(Struct, frozen=True):
    """Where a member stands on one purpose: the wording that is asked now, and their latest word on any of them."""

    purpose: str
    text_id: int
    version: int
    text_zh: str
    text_en: str
    said_version: int | None
    said_given: bool | None
    said_at: datetime | None

    @property
    def holds(self) -> bool:
        """Whether the member's yes covers the present wording."""
        return bool(self.said_given) and self.said_version == self.version


class ConsentLine(Struct, frozen=True):
    """One entry of the history."""

    purpose: str
    version: int
    given: bool
    at: datetime
    actor: str


_CURRENT = "SELECT DISTINCT ON (purpose) * FROM consent_text ORDER BY purpose, version DESC"
_STANDINGS = f"""
    WITH current AS ({_CURRENT}),
    said AS (
        SELECT DISTINCT ON (t.purpose) t.purpose, t.version, e.given, e.at
        FROM consent_entry e JOIN consent_text t ON t.id = e.text_id WHERE e.member_id = %s ORDER BY t.purpose, e.id DESC)
    SELECT c.purpose, c.id AS text_id, c.version, c.text_zh, c.text_en, s.version AS said_version, s.given AS said_given,
        s.at AS said_at
    FROM current c LEFT JOIN said s USING (purpose)"""
_HISTORY = """
    SELECT t.purpose, t.version, e.given, e.at, e.actor FROM consent_entry e JOIN consent_text t ON t.id = e.text_id
    WHERE e.member_id = %s ORDER BY e.id DESC LIMIT %s"""
_WORDINGS = """
    WITH latest AS (
        SELECT DISTINCT ON (e.member_id, t.purpose) e.text_id, e.given
        FROM consent_entry e JOIN consent_text t ON t.id = e.text_id ORDER BY e.member_id, t.purpose, e.id DESC)
    SELECT t.*, (SELECT count(*) FROM latest l WHERE l.text_id = t.id AND l.given) AS given
    FROM consent_text t ORDER BY purpose, version DESC"""
_PUBLISH = """
    INSERT INTO consent_text (purpose, version, text_zh, text_en, published_at, published_by)
    SELECT %(purpose)s, coalesce(max(version), 0) + 1, %(text_zh)s, %(text_en)s, %(now)s, %(actor)s
    FROM consent_text WHERE purpose = %(purpose)s RETURNING version"""
_DEFAULT = """
    INSERT INTO consent_text (purpose, version, text_zh, text_en, published_at, published_by)
    VALUES (%s, 1, %s, %s, now(), %s) ON CONFLICT (purpose, version) DO NOTHING"""


async def ensure_texts(connection: AsyncConnection[Any]) -> None:
    """Give an installation its first texts; those that are there stay."""
    for purpose, (text_zh, text_en) in DEFAULT_TEXTS.items():
        await connection.execute(_DEFAULT, (purpose, text_zh, text_en, PROGRAM))


async def list_standings(connection: AsyncConnection[Any], member_id: int) -> list[ConsentStanding]:
    """Where a member stands, in the order of the purposes."""
    return sorted(
        await fetch_all(connection, ConsentStanding, _STANDINGS, (member_id,)),
        key=lambda standing: PURPOSES.index(standing.purpose),
    )


async def list_history(connection: AsyncConnection[Any], member_id: int, most: int = 50) -> list[ConsentLine]:
    """What a member said, the latest first."""
    return await fetch_all(connection, ConsentLine, _HISTORY, (member_id, most))


async def may_use(connection: AsyncConnection[Any], member_id: int, purpose: str) -> bool:
    """Whether the member has agreed to the present wording for a purpose (`sms`, `mail`, `personal`)."""
    return any(one.holds for one in await list_standings(connection, member_id) if one.purpose == purpose)


async def say(
    connection: AsyncConnection[Any], member_id: int, text_id: int, *, given: bool, actor: str, now: datetime
) -> bool:
    """A yes to the wording that was read, or its withdrawal; whether that was news. Raises NotFoundError or MemberClosedError.

    Raises TextReplacedError for a yes to a wording that is no longer the present one.
    """
    await lock_open_member(connection, member_id)
    # Publishing takes the same lock exclusively: nobody says yes to a text that is being replaced.
    await connection.execute("SELECT pg_advisory_xact_lock_shared(hashtext('consent_text'))")
    found = await connection.execute("SELECT purpose FROM consent_text WHERE id = %s", (text_id,))
    row = await found.fetchone()
    if row is None:
        raise NotFoundError
    standing = next(one for one in await list_standings(connection, member_id) if one.purpose == row[0])
    if given and standing.text_id != text_id:
        raise TextReplacedError
    is_known = standing.holds if given else not standing.said_given
    if is_known:
        return False
    await connection.execute(
        "INSERT INTO consent_entry (member_id, text_id, given, at, actor) VALUES (%s, %s, %s, %s, %s)",
        (member_id, text_id, given, now, actor),
    )
    return True


async def list_wordings(connection: AsyncConnection[Any]) -> list[ConsentWording]:
    """For operators: every version of every text, the newest first, with how many members stand by it."""
    return await fetch_all(connection, ConsentWording, _WORDINGS)


async def publish_text(
    connection: AsyncConnection[Any], purpose: str, text_zh: str, text_en: str, *, actor: str, now: datetime
) -> int:
    """Publish a new wording and return its version: from now on members are asked anew. Raises InvalidInputError."""
    faults = {}
    if purpose not in PURPOSES:
        faults["purpose"] = Message(N_("Must be one of %(known)s."), {"known": ", ".join(PURPOSES)})
    for name, text in (("text_zh", text_zh), ("text_en", text_en)):
        if not 0 < len(text.strip()) <= LONGEST_TEXT:
            faults[name] = Message(N_("Must have 1 to %(most)s characters."), {"most": LONGEST_TEXT})
    if faults:
        raise InvalidInputError.of_fields(faults)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('consent_text'))")
    published = await connection.execute(
        _PUBLISH,
        {"purpose": purpose, "text_zh": text_zh.strip(), "text_en": text_en.strip(), "now": now, "actor": actor},
    )
    row = await published.fetchone()
    assert row is not None
    return int(row[0])
