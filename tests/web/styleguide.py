"""Sample data and a small template environment that shows every component without an application or a database.

`python tests/web/styleguide.py FOLDER` writes the style guide as plain pages (mall, desk, till, gate; light and dark; both
languages) beside links to the static files, to be looked at in a browser.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from liyu.web.covers import choose_icon, cover_name, draw_cover, parse_cover_name
from liyu.web.dotted import dotted
from liyu.web.formats import display_width

WEB = Path(__file__).parents[2] / "liyu" / "web"
STATIC = WEB.parent / "static"
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
PAGES = ("mall", "item", "voucher", "desk", "forms", "till", "refused", "gate", "oops")


@dataclass(frozen=True)
class Named:
    """Something with a name in both languages."""

    name_zh: str
    name_en: str


@dataclass(frozen=True)
class Flash:
    """One message of the toast region."""

    kind: str
    text: str


def read_catalog(locale: str) -> dict[Any, Any]:
    """Return msgid → msgstr of the shared area; English has no catalog."""
    if locale == "en":
        return {}
    with (WEB / "locale" / locale / "shared.po").open("rb") as file:
        return {message.id: message.string for message in read_po(file, locale=locale) if message.id}


def format_money(minor: int, currency: str = "CNY") -> str:
    """Return an amount as the web shell writes it; `minor` in fen."""
    sign = "−\u2009" if minor < 0 else ""
    return f"{sign}{'¥' if currency == 'CNY' else currency}\u2009{abs(minor) / 100:,.2f}"


def build_environment(locale: str, static: Callable[[str], str]) -> Environment:
    """Return an environment with what the web shell gives to templates, filled with fixed values."""
    catalog = read_catalog(locale)
    chinese = locale == "zh_CN"
    environment = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )

    def translate(message: str) -> str:
        return catalog.get(message) or message

    def translate_plural(one: str, many: str, number: int) -> str:
        found = catalog.get((one, many))
        return found[0] if found else (one if number == 1 else many)

    environment.install_gettext_callables(translate, translate_plural, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(
        points=lambda value: f"{value:,}",
        display_width=display_width,
        dotted=dotted,
        money=format_money,
        date=lambda value: value.strftime("%Y-%m-%d"),
        datetime=lambda value: value.strftime("%Y-%m-%d %H:%M"),
        day=lambda value: f"{value.month} 月 {value.day} 日" if chinese else f"{value:%b} {value.day}",
        relative=lambda value: value.strftime("%H:%M"),
        text_of=lambda value, field: getattr(value, f"{field}_{'zh' if chinese else 'en'}"),
    )
    environment.globals.update(
        static=static,
        csrf_token="sample",
        locale=locale,
        lang="zh-CN" if chinese else "en",
        program=Named("礼遇", "Liyu"),
        now=NOW,
        theme=None,
        text_size=None,
    )
    return environment


def build_context(locale: str, cover: Callable[[str], str]) -> dict[str, Any]:
    """Return the sample data of the style guide in the words of one language."""
    chinese = locale == "zh_CN"

    def say(zh: str, en: str) -> str:
        return zh if chinese else en

    def cover_of(scene: str, seed: int, kind: str = "partner_right") -> str:
        return cover(cover_name(scene, seed, choose_icon(scene, kind)))

    scenes = [
        ("travel", "plane", "出行", "Travel"),
        ("dining", "utensils", "美食", "Dining"),
        ("hotel", "bed", "酒店", "Hotels"),
        ("car", "car", "爱车", "Cars"),
        ("health", "heart", "健康", "Health"),
        ("coffee", "coffee", "咖啡", "Coffee"),
        ("shopping", "shopping-bag", "购物", "Shopping"),
        ("entertainment", "film", "娱乐", "Shows"),
        ("home", "house", "居家", "Home"),
        ("charity", "hand-heart", "公益", "Charity"),
    ]
    items = [
        (
            "上门取送车 · 全年 2 次",
            "Car pick-up and return, twice a year",
            980,
            cover_of("car", 2),
            "华东 36 城 · 你可兑",
            "36 cities · yours now",
            "yes",
        ),
        (
            "满 100 减 30 餐饮券",
            "30 off 100 at restaurants",
            120,
            cover_of("dining", 1, "coupon"),
            "海底捞等 5 家",
            "At five restaurants",
            "",
        ),
        (
            "三甲专家视频问诊",
            "Video visit with a hospital specialist",
            1680,
            cover_of("health", 0),
            "还差 220 积分",
            "220 points short",
            "",
        ),
        (
            "手冲咖啡器具套装",
            "Pour-over coffee set",
            2400,
            cover_of("shopping", 2, "goods"),
            "包邮",
            "Free shipping",
            "",
        ),
        (
            "莫干山民宿一晚",
            "One night in a Moganshan lodge",
            5200,
            cover_of("hotel", 1),
            "限金卡以上",
            "Gold and above",
            "",
        ),
        (
            "乡村图书角 · 捐一本书",
            "Give a book to a village library",
            100,
            cover_of("charity", 0, "donation"),
            "已有 3,204 人参与",
            "3,204 joined",
            "",
        ),
        (
            "视频会员月卡",
            "Video pass, one month",
            880,
            cover_of("entertainment", 1, "code"),
            "兑后即得卡密",
            "Code at once",
            "",
        ),
        ("家电清洗一次", "One appliance cleaning", 1350, cover_of("home", 2), "全国 120 城", "120 cities", ""),
    ]
    return {
        "say": say,
        "cover_of": cover_of,
        "covers": [cover_of(scene, seed) for scene, *_ in scenes for seed in range(3)],
        "csrf_token": "sample",
        "actor": {"name": say("王倩", "Qian Wang")},
        "current_path": "/",
        "switch_language_url": "#",
        "audience": "mall",
        "tab": "home",
        "notices": [],
        "unread": True,
        "wallet_count": 3,
        "soon": NOW + timedelta(hours=2, minutes=14, seconds=36),
        "tonight": NOW + timedelta(hours=6),
        "lapse_day": datetime(2026, 12, 31, tzinfo=UTC),
        "scene_entries": [{"label": say(zh, en), "icon": icon, "href": "#"} for _, icon, zh, en in scenes],
        "items": [
            {"name": say(zh, en), "points": points, "cover": src, "note": say(note_zh, note_en), "fit": fit}
            for zh, en, points, src, note_zh, note_en, fit in items
        ],
        "navigation": sample_navigation(say),
        "errors": {
            "company": say("请输入公司全称", "Enter the full company name"),
            "phone": say("手机号应为 11 位", "A mobile number has 11 digits"),
        },
    }


def sample_navigation(say: Callable[[str, str], str]) -> list[dict[str, Any]]:
    """Return the side navigation of the drawings."""

    def entry(
        zh: str, en: str, icon: str, badge: str | None = None, tone: str = "grey", current: bool = False
    ) -> dict[str, Any]:
        return {"label": say(zh, en), "href": "#", "icon": icon, "current": current, "badge": badge, "badge_tone": tone}

    return [
        {
            "label": None,
            "entries": [
                entry("今日", "Today", "house", current=True),
                entry("待审批", "Approvals", "check", "6", "red"),
            ],
        },
        {
            "label": say("商城", "Mall"),
            "entries": [
                entry("商品与权益", "Items and rights", "gift"),
                entry("限量活动", "Drops", "flag"),
                entry("兑换订单", "Orders", "ticket"),
            ],
        },
        {
            "label": say("会员", "Members"),
            "entries": [
                entry("会员", "Members", "user"),
                entry("积分与规则", "Points and rules", "coins"),
                entry("健康度", "Health", "chart-column"),
            ],
        },
        {
            "label": say("合作方", "Partners"),
            "entries": [
                entry("准入与合同", "Onboarding, contracts", "layout-grid"),
                entry("结算", "Settlement", "circle-dollar-sign", say("10 月", "Oct")),
                entry("投诉", "Complaints", "bell", say("2 临期", "2 due"), "red"),
            ],
        },
    ]


def render_page(locale: str, theme: str, page: str, static: Callable[[str], str], cover: Callable[[str], str]) -> str:
    """Return one page of the style guide as HTML."""
    environment = build_environment(locale, static)
    environment.globals["theme"] = theme
    return environment.get_template("shared/styleguide.html").render(page=page, **build_context(locale, cover))


def write_pages(folder: Path) -> None:
    """Write all pages and covers into `folder`; static files are linked relatively, so a plain file server shows them."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "static"
    if not link.exists():
        link.symlink_to(STATIC)
    (folder / "covers").mkdir(exist_ok=True)
    wanted: set[str] = set()

    def cover(name: str) -> str:
        wanted.add(name)
        return f"covers/{name}"

    for locale in ("zh_CN", "en"):
        for theme in ("light", "dark"):
            for page in PAGES:
                html = render_page(locale, theme, page, lambda path: f"static/{path}", cover)
                (folder / f"{page}-{locale}-{theme}.html").write_text(html)
    for name in wanted:
        parts = parse_cover_name(name)
        assert parts is not None
        (folder / "covers" / name).write_text(draw_cover(*parts))


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
