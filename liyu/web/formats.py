"""Numbers, money and dates as people read them. Everything is cached: pages show the same few values over and over."""

from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

import phonenumbers
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import get_currency_precision, get_currency_symbol

from liyu.core.clock import local_date

_zone: ContextVar[ZoneInfo | None] = ContextVar("zone", default=None)
_SHANGHAI = ZoneInfo("Asia/Shanghai")
_CHINA = 86
_MINUS = "\N{MINUS SIGN}"
_THIN_SPACE = "\N{THIN SPACE}"
_DAYS = {"zh_CN": "M月d日", "en": "d MMM"}
_JUST_NOW = {"zh_CN": "刚刚", "en": "just now"}
_MONTHS = {"zh_CN": "M月", "en": "MMM"}
_YEAR_MONTHS = {"zh_CN": "y年M月", "en": "MMMM y"}
_LONG_DAYS = {"zh_CN": "y年M月d日", "en": "d MMM y"}


def use_zone(zone: ZoneInfo) -> None:
    """Show instants in this time zone from now on in this task."""
    _zone.set(zone)


def current_zone() -> ZoneInfo:
    """The time zone in which people see and type dates."""
    return _zone.get() or _SHANGHAI


def format_points(points: int) -> str:
    """12,850, −60"""
    return f"{points:,}".replace("-", _MINUS)


def display_width(text: str) -> int:
    """How many columns a text takes: Chinese characters are twice as wide as digits and letters."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


@lru_cache(maxsize=8192)
def format_money(minor: int, currency: str) -> str:
    """Minor units of an ISO currency, alike in both languages: ¥ 1,284.30, −¥ 12.00, US$ 3.50."""
    precision = get_currency_precision(currency)
    whole, rest = divmod(abs(minor), 10**precision)
    decimals = f".{rest:0{precision}d}" if precision else ""
    return f"{_MINUS if minor < 0 else ''}{_symbol(currency)}{_THIN_SPACE}{whole:,}{decimals}"


@lru_cache(maxsize=64)
def _symbol(currency: str) -> str:
    """The symbol that a Chinese program writes: the yuan's needs no country before it."""
    return get_currency_symbol(currency, locale="zh_CN")


def format_day(day: date | datetime, locale: str) -> str:
    """2026年11月22日, 22 Nov 2026"""
    return _date_text(_local_day(day), _LONG_DAYS[locale], locale)


def format_last_day(end: datetime, locale: str) -> str:
    """The last day of what ends at an instant: 2026年11月22日 for what ends with that day, at the next one's midnight."""
    return format_day(end - timedelta(microseconds=1), locale)


def format_short_day(day: date | datetime, locale: str) -> str:
    """11月22日, 22 Nov"""
    return _date_text(_local_day(day), _DAYS[locale], locale)


def format_weekday(day: date, locale: str) -> str:
    """周一, Mon"""
    return _date_text(day, "EEE", locale)


def format_month(day: date, locale: str) -> str:
    """11月, Nov"""
    return _date_text(day, _MONTHS[locale], locale)


def format_year_month(day: date, locale: str) -> str:
    """2026年11月, November 2026"""
    return _date_text(day, _YEAR_MONTHS[locale], locale)


def format_instant(instant: datetime, locale: str) -> str:
    """2026年11月22日 18:05, 22 Nov 2026, 18:05"""
    return _instant_text(instant.astimezone(current_zone()).replace(second=0, microsecond=0, tzinfo=None), locale)


def format_clock_time(instant: datetime) -> str:
    """18:05"""
    return format_time(instant.astimezone(current_zone()), "HH:mm", tzinfo=current_zone(), locale="en")


def format_relative(instant: datetime, now: datetime, locale: str) -> str:
    """3 分钟前, in 2 hours; within a minute just that, beyond a week the date."""
    distance = instant - now
    if abs(distance) < timedelta(minutes=1):
        return _JUST_NOW[locale]
    if abs(distance) >= timedelta(days=7):
        return format_day(instant, locale)
    return format_timedelta(distance, granularity="minute", add_direction=True, locale=locale)


def _local_day(day: date | datetime) -> date:
    return local_date(day, current_zone()) if isinstance(day, datetime) else day


@lru_cache(maxsize=4096)
def _date_text(day: date, pattern: str, locale: str) -> str:
    return format_date(day, pattern, locale=locale)


@lru_cache(maxsize=8192)
def _instant_text(local: datetime, locale: str) -> str:
    separator = " " if locale == "zh_CN" else ", "
    # The wall-clock time is known already; UTC keeps Babel from moving it.
    return format_datetime(local.replace(tzinfo=UTC), f"{_LONG_DAYS[locale]}'{separator}'HH:mm", locale=locale)


def format_phone(phone: str) -> str:
    """A number in E.164 as people write it: `138 0013 8000`, and with its country where that is not China."""
    number = phonenumbers.parse(phone, None)
    is_chinese = number.country_code == _CHINA
    form = phonenumbers.PhoneNumberFormat.NATIONAL if is_chinese else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, form)


def mask_phone(phone: str | None) -> str:
    """138****8000: enough to recognise one's own number."""
    digits = (phone or "").removeprefix("+86")
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 8 else ""
