"""The filters of a list that have many values: partners, tiers and cities, the fullest ones first."""

from collections.abc import Callable
from typing import Any

from liyu.catalog.search import Counts, Wish
from liyu.catalog.snapshot import RECOMMENDED, Snapshot
from liyu.core.i18n import N_
from liyu.web.i18n import ENGLISH, current_locale, gettext, text_of

MOST_CHOICES = 12
FEWEST_CHOICES = 2
"""A filter with fewer values than this would not tell anything apart."""

GROUPS = {"partner": N_("Partner"), "city": N_("City with a store"), "tier": N_("Needs a tier")}


def make_more_filters(
    snapshot: Snapshot, wish: Wish, address: Callable[..., str], counts: Counts
) -> list[dict[str, Any]]:
    """Groups of chips that are switched on and off, each with how many items it would leave."""
    groups = []
    for facet, label in GROUPS.items():
        chosen = getattr(wish, facet)
        values = sorted(counts.facets[facet].items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_CHOICES]
        if chosen is not None and chosen not in dict(values):
            values.append((chosen, counts.facets[facet].get(chosen, 0)))
        if len(values) < FEWEST_CHOICES and chosen is None:
            continue
        chips = [
            {
                "label": name_value(snapshot, facet, value),
                "href": address(**{facet: None if value == chosen else value}),
                "current": value == chosen,
                "count": count,
            }
            for value, count in values
        ]
        groups.append({"label": gettext(label), "chips": chips})
    return groups


def name_value(snapshot: Snapshot, facet: str, value: str) -> str:
    """What a value is called in the language that is spoken: the name of a partner, a tier or a city."""
    if facet == "city":
        stores = (store for item in snapshot.lists.in_city(value) for store in item.stores if store.city_zh == value)
        store = next(stores, None)
        return (store.city_en if store and current_locale() == ENGLISH else None) or value
    found = snapshot.lists.filtered(facet, value, RECOMMENDED)
    return str(text_of(getattr(found[0], facet), "name")) if found else value
