"""The columns that a file of members may have, with the names under which they are known, and what stands in them."""

import re
import unicodedata
from collections.abc import Callable, Iterable

from msgspec import Struct

from liyu.core.i18n import N_
from liyu.members.personal.fields import ANSWER, Option, ProfileQuestion


class Column(Struct, frozen=True):
    """One column: its code, its heading in both languages, further names, what it means, and an example."""

    code: str
    heading: str
    heading_zh: str
    names: tuple[str, ...]
    meaning: str
    example: str


COLUMNS = (
    Column(
        "external_id", N_("Member number"), "会员号", ("会员编号", "会员id", "外部会员号", "member id", "id"),
        N_("The number in your own system. Without it the phone number tells members apart."), "M-10086",
    ),
    Column(
        "phone", N_("Mobile"), "手机号", ("手机", "手机号码", "电话", "mobile number", "phone number"),
        N_("Chinese numbers without a country code; others as +44 20 7946 0958. Format the column as text."), "13800138000",
    ),
    Column("name", N_("Full name"), "姓名", ("名字", "会员姓名"), N_("Up to 100 characters."), "林岚"),
    Column("email", N_("E-mail"), "邮箱", ("电子邮箱", "email"), N_("One address."), "lan@example.com"),
    Column("birthday", N_("Date of birth"), "生日", ("出生日期", "birthday"), N_("As 1990-05-17."), "1990-05-17"),
    Column("city", N_("City"), "城市", ("所在城市",), N_("Up to 100 characters."), "上海"),
    Column("locale", N_("Language"), "语言", (), N_("zh_CN or en."), "zh_CN"),
    Column(
        "state", N_("State"), "状态", ("会员状态", "激活状态", "status"),
        N_(
            "active, or pre_registered for people who have not joined yet: their points have no last day before they do. "
            "Counts for new members only."
        ),
        "active",
    ),
    Column(
        "joined_on", N_("Joined on"), "入会日期", ("注册日期", "加入日期", "joined"),
        N_("Counts for new members only; today when it is empty."), "2024-03-01",
    ),
    Column(
        "tier", N_("Tier"), "等级", ("会员等级",),
        N_("The tier's code or name. An import raises tiers and never lowers them."), "gold",
    ),
    Column(
        "tier_until", N_("Tier valid until"), "等级有效期至", ("等级到期日",),
        N_("Used when the tier rises; empty takes the tier's own validity from today."), "2027-12-31",
    ),
    Column(
        "growth", N_("Growth value"), "成长值", ("growth",),
        N_("Without a tier it decides the tier. A figure below what the member has leaves it as it is."), "3200",
    ),
    Column(
        "tags", N_("Tags"), "标签", ("会员标签", "tag"),
        N_("Codes or names of tags that are there, with semicolons between them. Tags are added and never taken away."),
        "vip;coffee",
    ),
    Column(
        "points", N_("Opening points"), "期初积分", ("积分", "积分余额", "可用积分", "points balance", "balance"),
        N_("Whole points. A member with several lots has several rows: the further ones need the key and the lot alone."),
        "1280",
    ),
    Column(
        "earned_on", N_("Points earned on"), "积分获得日期", ("获得日期", "earned"),
        N_("The program's rule makes the last day of it; today when it is empty."), "2025-08-15",
    ),
    Column(
        "expires_on", N_("Points valid until"), "积分有效期至", ("积分到期日", "有效期至", "到期日"),
        N_("The last day on which the points can be used; it goes before the day of earning. “never” for points without an end."),
        "2026-12-31",
    ),
)  # fmt: skip

KEYS = ("external_id", "phone")
"""One of them must be there: it tells who the row speaks of."""


def simplify(heading: str) -> str:
    """A heading without what people write differently: case, width, spaces, marks, what stands in brackets."""
    text = unicodedata.normalize("NFKC", heading).lower().strip("\ufeff \t\r\n*")
    return re.sub(r"[\s_\-]+", " ", re.sub(r"[(（].*", "", text)).strip(" *:")


_BY_NAME = {
    simplify(name): column.code
    for column in COLUMNS
    for name in (column.code, column.heading, column.heading_zh, *column.names)
}


_MEANINGS = {
    "text": N_("The answer to your own question, up to 200 characters."),
    "number": N_("The answer to your own question, a number."),
    "date": N_("The answer to your own question, as 1990-05-17."),
    "choice": N_("The answer to your own question, one of its options by name."),
}
_EXAMPLES = {"text": "", "number": "12.5", "date": "1990-05-17"}


def question_columns(
    questions: Iterable[ProfileQuestion], name_of: Callable[[ProfileQuestion | Option], str] = lambda one: one.name_en
) -> list[Column]:
    """The columns of the operator's own questions, with headings as `name_of` calls them; known by key and in both languages."""
    return [
        Column(
            f"{ANSWER}{one.key}", name_of(one), one.name_zh, (one.key, one.name_en), _MEANINGS[one.kind],
            _EXAMPLES.get(one.kind) or " / ".join(name_of(option) for option in one.options),
        )
        for one in questions
    ]  # fmt: skip


def find_column(heading: str, further: Iterable[Column] = ()) -> str | None:
    """The column that a heading means, in either language; None when nobody knows it. The columns of every program come first."""
    name = simplify(heading)
    found = _BY_NAME.get(name)
    if found is not None:
        return found
    return next(
        (one.code for one in further if name in map(simplify, (one.code, one.heading, one.heading_zh, *one.names))),
        None,
    )
