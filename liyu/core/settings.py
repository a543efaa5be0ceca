"""The settings of one installation, read once from the environment and checked at start. The only reader of `os.environ`."""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

LOCALES = ("zh_CN", "en")
MINIMUM_SECRET_LENGTH = 32

Value = TypeVar("Value")


class SettingsError(Exception):
    """The environment holds one or more faulty values; `faults` names every one of them."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("Settings: " + "; ".join(faults))


@dataclass(frozen=True, slots=True)
class Settings:
    """All that an installation can be told from outside. Paths are absolute; URLs are kept as given."""

    data_dir: Path
    secret_key: str = field(repr=False)
    voucher_keys: tuple[tuple[int, str], ...] = field(default=(), repr=False)
    """Secrets of vouchers with the first voucher id of each, where they are not the secret key for all (`vouchers/keys.py`)."""
    database_url: str | None = field(default=None, repr=False)
    replica_url: str | None = field(default=None, repr=False)
    base_url: str = "http://127.0.0.1:8000"
    storage: str = "file:storage"
    s3_endpoint: str | None = None
    stripe_api_key: str | None = field(default=None, repr=False)
    stripe_webhook_secret: str | None = field(default=None, repr=False)
    stripe_api_base: str | None = None
    smtp_url: str | None = field(default=None, repr=False)
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    locale: str = "zh_CN"

    @property
    def is_development(self) -> bool:
        """True while the site is served on this machine's loopback address without TLS: cookies then need no `Secure`."""
        return self.base_url.startswith("http://")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read and check every `LIYU_*` and `STRIPE_*` variable.

        Raises SettingsError naming all faults at once.
        """
        return _Reader(os.environ if environment is None else environment).read()


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = {name: value.strip() for name, value in environment.items() if value.strip()}
        self.faults: list[str] = []

    def read(self) -> Settings:
        data_dir = Path(self.environment.get("LIYU_DATA_DIR", "var")).expanduser().absolute()
        values = {
            "database_url": self.take("LIYU_DATABASE_URL", _postgres_url),
            "replica_url": self.take("LIYU_REPLICA_URL", _postgres_url),
            "base_url": self.take("LIYU_BASE_URL", _web_url),
            "storage": self.take("LIYU_STORAGE", _storage_place),
            "s3_endpoint": self.take("LIYU_S3_ENDPOINT", _web_url),
            "stripe_api_key": self.take("STRIPE_API_KEY", str),
            "stripe_webhook_secret": self.take("STRIPE_WEBHOOK_SECRET", str),
            "stripe_api_base": self.take("LIYU_STRIPE_API_BASE", _web_url),
            "smtp_url": self.take("LIYU_SMTP_URL", _smtp_url),
            "timezone": self.take("LIYU_TIMEZONE", _timezone),
            "locale": self.take("LIYU_LOCALE", _locale),
            "voucher_keys": self.take("LIYU_VOUCHER_KEYS", _voucher_keys),
        }
        secret_key = self.take("LIYU_SECRET_KEY", _secret)
        if data_dir.exists() and not data_dir.is_dir():
            self.faults.append("LIYU_DATA_DIR is not a folder")
        if values["stripe_api_key"] and not values["stripe_webhook_secret"]:
            self.faults.append("STRIPE_WEBHOOK_SECRET is needed together with STRIPE_API_KEY")
        if self.faults:
            raise SettingsError(self.faults)
        given = {name: value for name, value in values.items() if value is not None}
        return Settings(data_dir=data_dir, secret_key=secret_key or _kept_secret(data_dir), **given)  # type: ignore[arg-type]

    def take(self, name: str, parse: Callable[[str], Value]) -> Value | None:
        if name not in self.environment:
            return None
        try:
            return parse(self.environment[name])
        except ValueError as fault:
            self.faults.append(f"{name} {fault}")
            return None


def _postgres_url(text: str) -> str:
    if urlsplit(text).scheme not in {"postgresql", "postgres"}:
        raise ValueError("must start with postgresql://")
    return text


def _web_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError("must be an http:// or https:// address")
    return text.rstrip("/")


def _smtp_url(text: str) -> str:
    if urlsplit(text).scheme not in {"smtp", "smtps"}:
        raise ValueError("must start with smtp:// or smtps://")
    return text


def _storage_place(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"file", "s3"} or (parts.scheme == "s3" and not parts.netloc):
        raise ValueError("must be file:FOLDER or s3://BUCKET")
    return text


def _timezone(text: str) -> ZoneInfo:
    if text not in available_timezones():
        raise ValueError("is not a known time zone")
    return ZoneInfo(text)


def _locale(text: str) -> str:
    if text not in LOCALES:
        raise ValueError(f"must be one of {', '.join(LOCALES)}")
    return text


def _secret(text: str) -> str:
    if len(text) < MINIMUM_SECRET_LENGTH:
        raise ValueError(f"must have at least {MINIMUM_SECRET_LENGTH} characters")
    return text


def _voucher_keys(text: str) -> tuple[tuple[int, str], ...]:
    """`1:SECRET,250001:SECRET`, the first voucher id of each secret before it."""
    keys = []
    for part in text.split(","):
        first, _, secret = part.strip().partition(":")
        if not first.isdecimal() or int(first) < 1:
            raise ValueError("must list secrets as FIRST_ID:SECRET, with commas between them")
        keys.append((int(first), _secret(secret.strip())))
    if len({first for first, _ in keys}) < len(keys):
        raise ValueError("names two secrets for the same vouchers")
    return tuple(sorted(keys))


def _kept_secret(data_dir: Path) -> str:
    """The installation's own secret, made at the first start: voucher codes depend on it, so it must outlive every process."""
    path = data_dir / "secret.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text().strip()
