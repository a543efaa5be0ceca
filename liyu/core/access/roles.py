"""Roles as data: what the people of each role may do. The names are checked by guards and asked for by templates."""

from liyu.core.access.models import MEMBER, OPERATOR, PARTNER

_OPERATOR_READS = frozenset(
    {"today.read", "items.read", "redemptions.read", "members.read", "rules.read", "partners.read", "codes.read"}
    | {"campaigns.read", "giftcodes.read", "vouchers.read", "limits.read"}
)
_PARTNER_READS = frozenset({"today.read", "offers.read"})
_SERVICE_ACTS = frozenset(
    {
        "redemptions.cancel",
        "redemptions.fulfil",
        "redemptions.reveal",
        "aftersale.decide",
        "vouchers.hold",
        "members.freeze",
        "members.card",
        "members.note",
        "members.identity",
        "members.tag",
    }
)

ROLES: dict[str, dict[str, frozenset[str]]] = {
    OPERATOR: {
        "operator": _OPERATOR_READS
        | _SERVICE_ACTS
        | {
            "items.edit",
            "items.publish",
            "redemptions.export",
            "topups.edit",
            "orders.rules",
            "codes.edit",
            "vouchers.print",
            "vouchers.runs",
            "vouchers.extend",
            "vouchers.approve",
            "vouchers.rules",
            "campaigns.edit",
            "campaigns.approve",
            "giftcodes.edit",
            "members.adjust",
            "members.tier",
            "tiers.edit",
            "members.approve",
            "members.merge",
            "members.erase",
            "profile.edit",
            "consents.edit",
            "rules.edit",
            "points.read",
            "points.expiry",
            "partners.edit",
            "books.read",
            "members.import",
            "members.export",
            "tags.edit",
        },
        "finance": _OPERATOR_READS
        | {"statements.read", "settlement.prepare", "settlement.approve", "books.read", "books.prove", "audit.read"}
        | {"members.approve", "campaigns.approve", "vouchers.approve", "members.note", "points.read"}
        | {"limits.edit"},
        "service": _OPERATOR_READS | _SERVICE_ACTS,
    },
    PARTNER: {
        "manager": _PARTNER_READS
        | {"vouchers.verify", "vouchers.undo", "orders.read", "stores.read", "stores.edit", "team.read", "offers.edit"}
        | {"codes.read", "codes.edit", "orders.ship", "aftersale.decide"},
        "cashier": _PARTNER_READS | {"vouchers.verify", "vouchers.undo", "orders.read"},
        "finance": _PARTNER_READS | {"orders.read", "statements.read", "statements.confirm", "stores.read"},
    },
    MEMBER: {},
}
ROLES[OPERATOR]["admin"] = frozenset({"team.edit"}).union(*ROLES[OPERATOR].values())
ROLES[PARTNER]["owner"] = frozenset({"team.edit", "keys.edit"}).union(*ROLES[PARTNER].values())

NO_PERMISSIONS: frozenset[str] = frozenset()


def permissions_of(audience: str, role: str | None) -> frozenset[str]:
    """What a role may do; nothing for a role that is not known."""
    return ROLES.get(audience, {}).get(role or "", NO_PERMISSIONS)
