"""What can go wrong with paid membership."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class NotBuyableError(DomainError):
    """A paid membership cannot be bought; `reasons` has every one."""

    code = "membership_not_possible"
    message = N_("This membership cannot be bought now.")


class NotReturnableError(DomainError):
    """It is over or was given back, or a later one would hang in the air."""

    code = "membership_not_returnable"
    message = N_("Only a membership that has days left can be given back, the one that ends last first.")


class UnknownPlanError(DomainError):
    """There is no such offer."""

    status = 404
    code = "unknown_plan"
    message = N_("There is no such membership on offer.")


class UnknownPeriodError(DomainError):
    """Nothing was sold under this reference."""

    status = 404
    code = "unknown_membership"
    message = N_("No membership was sold under this reference.")
