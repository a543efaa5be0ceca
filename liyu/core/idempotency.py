"""Answers to idempotent requests: the same key with the same body returns the first answer, with another body it conflicts."""

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from liyu.core.database import Base


class IdempotentAnswer(Base):
    """The first answer to a request; `scope` says whose key it is (`key:3`, `member:12`)."""

    __tablename__ = "idempotent_answer"

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    status: Mapped[int]
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    """Kept as it was sent: nobody looks into it, and taking it apart would cost every redemption."""
    at: Mapped[datetime]


def hash_body(body: bytes) -> str:
    """The fingerprint that tells two bodies apart."""
    return sha256(body).hexdigest()
