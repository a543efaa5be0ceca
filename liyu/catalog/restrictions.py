"""Whom an item is for beyond the tier: members with a tag, members of a city. Desk and pages decide by the same functions."""

from collections.abc import Collection, Sequence

from msgspec import Struct

Refusals = list[tuple[str, dict[str, object]]]


class NamedTag(Struct, frozen=True, array_like=True):
    """A tag that an item asks for."""

    id: int
    name_zh: str
    name_en: str


def check_tags(wanted: Sequence[NamedTag] | None, has: Collection[int]) -> Refusals:
    """A refusal unless the member has one of the tags."""
    if wanted is None or any(tag.id in has for tag in wanted):
        return []
    names = {"zh": "、".join(tag.name_zh for tag in wanted), "en": ", ".join(tag.name_en for tag in wanted)}
    return [("tag_missing", {"tags": names})]


def check_city(wanted: Sequence[str] | None, lives_in: str | None) -> Refusals:
    """A refusal unless the member lives in one of the cities; who has not said where they live does not."""
    if wanted is None or (lives_in and simplify_city(lives_in) in {simplify_city(city) for city in wanted}):
        return []
    return [("wrong_city", {"cities": "、".join(wanted), "city": lives_in or ""})]


def simplify_city(name: str) -> str:
    """A city without what people write differently: 上海市 is 上海, SHANGHAI is Shanghai."""
    return name.strip().removesuffix("市").casefold()
