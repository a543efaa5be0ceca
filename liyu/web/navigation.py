"""The navigation of each audience, as data. A page that is not there yet has no entry here."""

from dataclasses import dataclass
from functools import lru_cache

from liyu.core.access.models import OPERATOR, PARTNER
from liyu.core.i18n import N_
from liyu.web.i18n import gettext


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the table: where it leads, what one needs to be allowed to see it, and what else belongs to it."""

    label: str
    href: str
    icon: str
    permission: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One link, as templates get it."""

    label: str
    href: str
    icon: str
    current: bool
    badge: str | None = None
    badge_tone: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Links under one heading; the first group has none."""

    label: str
    entries: tuple[Entry, ...]


PLACES: dict[str, list[tuple[str, list[Place]]]] = {
    PARTNER: [
        (
            "",
            [
                Place(N_("Today"), "/partner", "house", "today.read"),
                Place(
                    N_("Verify"), "/partner/verify", "scan-line", "vouchers.verify", ("/partner/bills", "/partner/till")
                ),
                Place(
                    N_("Verifications"), "/partner/orders", "ticket-check", "orders.read", ("/partner/verifications",)
                ),
                Place(N_("Shipping"), "/partner/shipping", "truck", "orders.ship"),
                Place(N_("After-sale"), "/partner/after-sales", "undo-2", "aftersale.decide"),
                Place(N_("Statements"), "/partner/statements", "receipt-text", "statements.read"),
            ],
        ),
        (
            N_("Our business"),
            [
                Place(N_("Offers"), "/partner/offers", "gift", "offers.read"),
                Place(N_("Code pools"), "/partner/codes", "key-round", "codes.read"),
                Place(N_("Stores"), "/partner/stores", "store", "stores.read"),
                Place(N_("Devices"), "/partner/devices", "smartphone", "stores.edit", ("/partner/offline-uses",)),
                Place(N_("Refused at the till"), "/partner/refusals", "shield-alert", "team.read"),
                Place(N_("Team"), "/partner/team", "users", "team.read"),
            ],
        ),
    ],
    OPERATOR: [
        ("", [Place(N_("Today"), "/console", "house", "today.read")]),
        (
            N_("Mall"),
            [
                Place(N_("Items and rights"), "/console/items", "gift", "items.read"),
                Place(N_("Approvals"), "/console/approvals", "clipboard-check", "items.publish"),
                Place(N_("Shop window"), "/console/storefront", "layout-grid", "items.publish"),
                Place(N_("Drops"), "/console/drops", "timer", "items.read"),
                Place(N_("Draws"), "/console/draws", "dices", "items.read"),
                Place(N_("Rights evaluation"), "/console/evaluation", "target", "items.read", ("/console/candidates",)),
            ],
        ),
        (
            N_("Vouchers"),
            [
                Place(
                    N_("Vouchers"),
                    "/console/vouchers",
                    "ticket-check",
                    "vouchers.read",
                    ("/console/voucher-extensions", "/console/voucher-rules"),
                ),
                Place(N_("Vouchers on paper"), "/console/prints", "printer", "vouchers.print"),
                Place(N_("Print runs"), "/console/voucher-runs", "layers", "vouchers.read"),
                Place(N_("Code pools"), "/console/pools", "key-round", "codes.read"),
                Place(N_("Tills"), "/console/tills", "scan-line", "vouchers.read"),
                Place(N_("Campaigns"), "/console/campaigns", "megaphone", "campaigns.read"),
                Place(N_("Gift codes"), "/console/gift-codes", "ticket-percent", "giftcodes.read"),
            ],
        ),
        (
            N_("Orders"),
            [
                Place(
                    N_("Redemptions"), "/console/redemptions", "ticket", "redemptions.read", ("/console/order-rules",)
                ),
                Place(N_("Shipping"), "/console/shipping", "truck", "redemptions.fulfil"),
                Place(N_("After-sale"), "/console/after-sales", "undo-2", "redemptions.read"),
                Place(N_("Top-ups"), "/console/top-ups", "smartphone", "topups.edit"),
            ],
        ),
        (
            N_("Members"),
            [
                Place(N_("Members"), "/console/members", "user", "members.read"),
                Place(N_("Adjustments"), "/console/adjustments", "list-checks", "members.read"),
                Place(N_("Points health"), "/console/points", "heart-pulse", "points.read"),
                Place(N_("Expiry"), "/console/points/expiry", "calendar-clock", "points.read"),
                Place(N_("Tiers"), "/console/tiers", "crown", "members.read"),
                Place(N_("Paid membership"), "/console/memberships", "badge-check", "members.read"),
                Place(N_("Profile fields"), "/console/profile-fields", "circle-user", "members.read"),
                Place(N_("Consents"), "/console/consents", "clipboard-check", "members.read"),
                Place(N_("Points rules"), "/console/rules", "coins", "rules.read"),
                Place(N_("Tags and badges"), "/console/tags", "tags", "members.read"),
                Place(N_("Segments"), "/console/segments", "list-filter", "members.read"),
                Place(N_("Import studio"), "/console/imports", "file-spreadsheet", "members.import"),
            ],
        ),
        (
            N_("Partners"),
            [
                Place(N_("Partners"), "/console/partners", "store", "partners.read", ("/console/stores",)),
                Place(N_("Settlements"), "/console/settlements", "receipt-text", "statements.read"),
                Place(N_("Offline conflicts"), "/console/offline-conflicts", "wifi-off", "statements.read"),
            ],
        ),
        (
            N_("Oversight"),
            [
                Place(N_("Books"), "/console/books", "scale", "books.read"),
                Place(N_("Limits for one person"), "/console/limits", "users", "limits.read"),
                Place(N_("Audit log"), "/console/audit", "clipboard-list", "audit.read"),
            ],
        ),
    ],
}
HOMES = {PARTNER: "/partner", OPERATOR: "/console"}


def navigation_for(audience: str, permissions: frozenset[str], path: str, locale: str) -> tuple[Group, ...]:
    """The groups of links that this person may follow, with the present place marked."""
    return _navigation(audience, permissions, _current_href(audience, path), locale)


@lru_cache(maxsize=512)
def _navigation(audience: str, permissions: frozenset[str], current: str, _locale: str) -> tuple[Group, ...]:
    groups = []
    for label, places in PLACES.get(audience, []):
        entries = tuple(
            Entry(gettext(place.label), place.href, place.icon, place.href == current)
            for place in places
            if place.permission in permissions
        )
        if entries:
            groups.append(Group(gettext(label) if label else "", entries))
    return tuple(groups)


def _current_href(audience: str, path: str) -> str:
    """The place that a path belongs to: the one with the longest address that it starts with."""
    addresses = {
        address: place.href
        for _, places in PLACES.get(audience, [])
        for place in places
        for address in (place.href, *place.others)
    }
    home = HOMES.get(audience)
    fitting = [one for one in addresses if path == one or (one != home and path.startswith(f"{one}/"))]
    return addresses[max(fitting, key=len)] if fitting else ""
