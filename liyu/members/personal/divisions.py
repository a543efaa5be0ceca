"""Provinces, cities and districts of China; the data's README says where they come from."""

import json
from functools import cache
from pathlib import Path

Districts = dict[str, str | None]

_FILE = Path(__file__).parent / "data" / "divisions.json"


@cache
def _divisions() -> dict[str, dict[str, Districts]]:
    divisions: dict[str, dict[str, Districts]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return divisions


def provinces() -> list[str]:
    """All provinces and what ranks with them."""
    return list(_divisions())


def cities_of(province: str) -> list[str]:
    """The cities of a province; none for a province that is not known."""
    return list(_divisions().get(province, {}))


def districts_of(province: str, city: str) -> list[str]:
    """The districts and counties of a city; none for a city that the province does not have."""
    return list(_divisions().get(province, {}).get(city, {}))


def is_division(province: str, city: str, district: str) -> bool:
    """Whether the district lies in the city and the city in the province."""
    return district in _divisions().get(province, {}).get(city, {})


def division_code(province: str, city: str, district: str) -> str | None:
    """The code of a district (GB/T 2260); None in Hong Kong, Macao and Taiwan. Raises KeyError for what is no division."""
    return _divisions()[province][city][district]


def only_choice(names: list[str]) -> str:
    """The name when there is just one to choose from, as in municipalities, else nothing."""
    return names[0] if len(names) == 1 else ""
