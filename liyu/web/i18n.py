"""Two languages on equal terms: English texts are the message ids, Chinese ones stand in `locale/zh_CN/*.po`."""

import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from markupsafe import Markup

from liyu.core.i18n import Message
from liyu.core.settings import LOCALES
from liyu.web.formats import format_day, format_instant

ENGLISH = "en"
CHINESE = "zh_CN"
LANGUAGE_TAGS = {CHINESE: "zh-CN", ENGLISH: "en"}
LOCALE_COOKIE = "liyu_locale"

_FOLDER = Path(__file__).parent / "locale"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_locale: ContextVar[str] = ContextVar("locale", default=CHINESE)

Catalog = dict[str, str | tuple[str, ...]]
_catalogs: dict[str, Catalog] = {ENGLISH: {}}
_marked: dict[tuple[str, str], Markup] = {}


def load_catalogs() -> None:
    """Read and merge all .po files of all languages."""
    for locale in LOCALES:
        _catalogs[locale] = read_catalog(_FOLDER / locale)
    _marked.clear()


@lru_cache(maxsize=8)
def read_catalog(folder: Path) -> Catalog:
    """The translations of one language, by message id. Of two that contradict each other the first file's holds."""
    catalog: Catalog = {}
    for _, name, words in iterate_messages(folder):
        catalog.setdefault(name, words)
    return catalog


def iterate_messages(folder: Path) -> Iterator[tuple[str, str, str | tuple[str, ...]]]:
    """File, message id and translation of every translated message, file by file."""
    for path in sorted(folder.glob("*.po")):
        with path.open("rb") as file:
            messages = read_po(file, locale=folder.name)
        for message in messages:
            if message.id and message.string:
                name = message.id if isinstance(message.id, str) else message.id[0]
                yield path.name, name, message.string if isinstance(message.string, str) else tuple(message.string)


def current_locale() -> str:
    """The language of the page, mail or PDF in hand."""
    return _locale.get()


def use_locale(locale: str) -> None:
    """Speak this language from now on in this task."""
    _locale.set(locale)


def gettext(text: str) -> str:
    """The text in the current language."""
    found = _catalogs[_locale.get()].get(text, text)
    return found if isinstance(found, str) else found[0]


def ngettext(singular: str, plural: str, number: int) -> str:
    """The form of the text that fits the number, in the current language. Chinese has one form."""
    found = _catalogs[_locale.get()].get(singular)
    if found is None:
        return singular if number == 1 else plural
    return found if isinstance(found, str) else found[0]


def gettext_markup(text: str, /, **values: Any) -> Markup:
    """What `_` is in HTML templates: as Jinja's own, but each text is looked up and marked as safe only once."""
    locale = _locale.get()
    marked = _marked.get((locale, text))
    if marked is None:
        marked = _marked[locale, text] = Markup(gettext(text))  # noqa: S704 - texts are ours
    return marked % values if values or "%" in marked else marked


def ngettext_markup(singular: str, plural: str, number: int, /, **values: Any) -> Markup:
    """What `ngettext` is in HTML templates; the number is there as `num`, in groups of three."""
    values.setdefault("num", f"{number:,}")
    return Markup(ngettext(singular, plural, number)) % values  # noqa: S704 - texts are ours


def gettext_plain(text: str, /, **values: Any) -> str:
    """What `_` is in text templates, where nothing is escaped."""
    return gettext(text) % values


def ngettext_plain(singular: str, plural: str, number: int, /, **values: Any) -> str:
    """What `ngettext` is in text templates."""
    values.setdefault("num", f"{number:,}")
    return ngettext(singular, plural, number) % values


def translate(message: Message | str, locale: str | None = None) -> str:
    """A message of the domain with its values filled in, in `locale` or the current language."""
    locale = locale or _locale.get()
    text, values = (message, None) if isinstance(message, str) else (message.text, message.values)
    found = _catalogs[locale].get(text, text)
    words = found if isinstance(found, str) else found[0]
    return words % {name: _value_in_words(value, locale) for name, value in values.items()} if values else words


class _Grouped(int):
    """A number that shows its thousands where the message says `%(name)s`."""

    def __str__(self) -> str:
        return f"{int(self):,}"


def _value_in_words(value: Any, locale: str) -> Any:
    """A value as people read it. Refusals that are given again come out of JSON, where instants are texts."""
    if isinstance(value, Message):
        return translate(value, locale)
    if isinstance(value, Mapping):
        return (locale == ENGLISH and value.get("en")) or value["zh"]
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return format_instant(datetime.fromisoformat(value), locale)
    if isinstance(value, datetime):
        return format_instant(value, locale)
    if isinstance(value, date):
        return format_day(value, locale)
    return _Grouped(value) if type(value) is int else value


def choose_locale(cookie: str | None, profile: str | None, accept_language: str, default: str) -> str:
    """The language to speak: what the visitor chose, then their profile, then their browser, then the installation."""
    if cookie in LOCALES:
        return cookie
    if profile in LOCALES:
        return profile
    return negotiate_locale(accept_language) or default


@lru_cache(maxsize=512)
def negotiate_locale(accept_language: str) -> str | None:
    """The first of our languages by the browser's own order of preference (RFC 9110 §12.5.4)."""
    wishes: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept_language.split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        wishes.append((-_weight(weight), position, tag.strip().lower()))
    for weight_below_zero, _, tag in sorted(wishes):
        if weight_below_zero == 0:
            continue
        language = tag.partition("-")[0]
        if language == "zh":
            return CHINESE
        if language == "en":
            return ENGLISH
    return None


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def text_of(thing: Any, name: str) -> str:
    """A bilingual text of an item, partner, store …: English falls back to Chinese where there is none."""
    get = thing.get if isinstance(thing, Mapping) else lambda key: getattr(thing, key)
    if _locale.get() == ENGLISH and (english := get(f"{name}_en")):
        return str(english)
    return str(get(f"{name}_zh"))
