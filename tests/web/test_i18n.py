from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import liyu
from liyu.core.i18n import Message
from liyu.core.settings import LOCALES
from liyu.web import formats, i18n

PACKAGE = Path(liyu.__file__).parent
FOLDER = PACKAGE / "web" / "locale" / "zh_CN"
METHODS = [("**.py", "python"), ("**.html", "jinja2"), ("**.txt", "jinja2")]
OPTIONS = {
    pattern: {"extensions": "jinja2.ext.do", "newstyle_gettext": "true", "silent": "false"}
    for pattern in ("**.html", "**.txt")
}
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}


@pytest.fixture(autouse=True)
def _speak_english() -> None:
    i18n.load_catalogs()
    i18n.use_locale("en")


@cache
def _marked_messages() -> dict[str, str]:
    """Every message that is marked for translation, with a place where it stands."""
    found = extract_from_dir(PACKAGE, METHODS, OPTIONS, keywords=KEYWORDS)
    return {(one[2] if isinstance(one[2], str) else one[2][0]): f"{one[0]}:{one[1]}" for one in found}


def test_every_marked_message_has_its_chinese() -> None:
    catalog = i18n.read_catalog(FOLDER)
    missing = [f"{place}: {message}" for message, place in _marked_messages().items() if message not in catalog]
    assert not missing, "\n".join(missing)


def test_no_translation_is_left_over() -> None:
    left = [f"{file}: {name}" for file, name, _ in i18n.iterate_messages(FOLDER) if name not in _marked_messages()]
    assert not left, "\n".join(left)


def test_no_translation_is_fuzzy_or_loses_a_placeholder() -> None:
    faults = []
    for path in sorted(FOLDER.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale="zh_CN"):
                if not message.id:
                    continue
                faults += [f"{path.name}: {error}" for error in message.check()]
                if message.fuzzy:
                    faults.append(f"{path.name}: fuzzy: {message.id}")
    assert not faults, "\n".join(faults)


def find_contradictions(folder: Path) -> list[str]:
    """The message ids that two files translate differently: a page should not depend on which is read first."""
    catalog: i18n.Catalog = {}
    origins: dict[str, str] = {}
    found = []
    for file, name, words in i18n.iterate_messages(folder):
        if catalog.setdefault(name, words) != words:
            found.append(f"“{name}” stands in {origins[name]} and in {file}")
        origins.setdefault(name, file)
    return found


def test_chinese_has_one_word_for_you() -> None:
    formal = [f"{file}: {name}" for file, name, words in i18n.iterate_messages(FOLDER) if "您" in "".join(words)]
    assert not formal, "\n".join(formal)


def test_no_two_files_contradict_each_other() -> None:
    assert find_contradictions(FOLDER) == []


def test_a_contradiction_names_both_files_and_the_first_one_holds(tmp_path: Path) -> None:
    folder = tmp_path / "zh_CN"
    folder.mkdir()
    for name, text in (("a.po", "一"), ("b.po", "二")):
        (folder / name).write_text(f'msgid "One"\nmsgstr "{text}"\n')
    assert find_contradictions(folder) == ["“One” stands in a.po and in b.po"]
    assert i18n.read_catalog(folder) == {"One": "一"}


@pytest.mark.parametrize(
    ("cookie", "profile", "header", "chosen"),
    [
        ("en", "zh_CN", "zh-CN", "en"),
        (None, "en", "zh-CN", "en"),
        (None, None, "fr, zh-TW;q=0.8, en;q=0.7", "zh_CN"),
        (None, None, "en-US,en;q=0.9", "en"),
        (None, None, "zh;q=0, en;q=0.1", "en"),
        (None, None, "fr", "zh_CN"),
        ("xx", "yy", "; ;q=x,,", "zh_CN"),
    ],
)
def test_the_language_is_chosen_by_cookie_then_profile_then_browser(
    cookie: str | None, profile: str | None, header: str, chosen: str
) -> None:
    assert i18n.choose_locale(cookie, profile, header, "zh_CN") == chosen
    assert chosen in LOCALES


def test_values_of_messages_are_words_of_the_language() -> None:
    inner = Message("Your role does not allow this.")
    message = Message("%(points)s, %(day)s, %(at)s, %(inner)s", {
        "points": 12850,
        "day": date(2026, 11, 22),
        "at": datetime(2026, 11, 22, 16, 5, tzinfo=UTC),
        "inner": inner,
    })  # fmt: skip
    assert i18n.translate(message) == "12,850, 22 Nov 2026, 23 Nov 2026, 00:05, Your role does not allow this."
    assert i18n.translate(message, "zh_CN") == "12,850, 2026年11月22日, 2026年11月23日 00:05, 你的角色没有这项权限。"


def test_english_texts_fall_back_to_chinese() -> None:
    assert i18n.text_of({"name_zh": "礼遇", "name_en": ""}, "name") == "礼遇"
    assert i18n.text_of({"name_zh": "礼遇", "name_en": "Liyu"}, "name") == "Liyu"
    i18n.use_locale("zh_CN")
    assert i18n.text_of({"name_zh": "礼遇", "name_en": "Liyu"}, "name") == "礼遇"


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (128430, "CNY", "¥\u20091,284.30"),
        (-5, "CNY", "−¥\u20090.05"),
        (0, "CNY", "¥\u20090.00"),
        (1200, "JPY", "JP¥\u20091,200"),
        (99999999999999999, "CNY", "¥\u2009999,999,999,999,999.99"),
    ],
)
def test_money_is_exact_at_any_size(minor: int, currency: str, text: str) -> None:
    assert formats.format_money(minor, currency) == text


def test_texts_are_as_wide_as_their_characters() -> None:
    assert [formats.display_width(text) for text in ("", "¥\u20091,284.30", "2027年3月9日")] == [0, 10, 12]
    assert formats.format_points(-12_850) == "−12,850"


def test_moments_close_by_are_told_by_their_distance() -> None:
    now = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    assert formats.format_relative(now - timedelta(seconds=20), now, "en") == "just now"
    assert formats.format_relative(now - timedelta(minutes=3), now, "en") == "3 minutes ago"
    assert formats.format_relative(now + timedelta(hours=2), now, "zh_CN") == "2小时后"
    assert formats.format_relative(now - timedelta(days=30), now, "zh_CN") == "2026年10月23日"
