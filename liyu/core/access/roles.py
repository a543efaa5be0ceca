"""Roles as data: what the people of each role may do. The names are checked by guards and asked for by templates."""

from liyu.core.access.models import MEMBER, OPERATOR, PARTNER

_OPERATOR_READS = frozenset({"today.read", "items.read", "redemptions.read", "members.read", "partners.read"})

ROLES: dict[str, dict[str, frozenset[str]]] = {
    OPERATOR: {
        "operator": _OPERATOR_READS
        | {"items.edit", "items.publish", "members.adjust", "partners.edit", "redemptions.cancel", "books.read"},
        "finance": _OPERATOR_READS
        | {"statements.read", "settlement.prepare", "settlement.approve", "books.read", "books.prove", "audit.read"},
        "service": _OPERATOR_READS | {"redemptions.cancel"},
    },
    PARTNER: {
        "manager": frozenset({"today.read", "vouchers.verify", "vouchers.undo", "orders.read", "stores.edit"}),
        "cashier": frozenset({"today.read", "vouchers.verify", "vouchers.undo", "orders.read"}),
        "finance": frozenset({"today.read", "orders.read", "statements.read"}),
    },
    MEMBER: {},
}
ROLES[OPERATOR]["admin"] = frozenset({"team.edit"}).union(*ROLES[OPERATOR].values())
ROLES[PARTNER]["owner"] = frozenset({"team.edit", "keys.edit"}).union(*ROLES[PARTNER].values())

NO_PERMISSIONS: frozenset[str] = frozenset()


def permissions_of(audience: str, role: str | None) -> frozenset[str]:
    """What a role may do; nothing for a role that is not known."""
    return ROLES.get(audience, {}).get(role or "", NO_PERMISSIONS)
