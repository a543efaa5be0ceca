"""What can go wrong with partners, in words for people and codes for programs."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class UnknownPartnerError(NotFoundError):
    """No partner has this id, or it is not the asker's."""

    code = "unknown_partner"
    message = N_("This partner could not be found.")


class UnknownPartnerCodeError(UnknownPartnerError):
    """No partner has this code."""

    message = N_("No partner has the code %(code)s.")


class UnknownStoreCodeError(NotFoundError):
    """No store has this code, or it is not the asker's."""

    code = "unknown_store"
    message = N_("This store could not be found.")


class PartnerStateError(DomainError):
    """The transition is not in the table of `states.py`, or somebody else was quicker."""

    code = "wrong_partner_state"
    message = N_("A partner that is “%(state)s” cannot become “%(wanted)s”.")


class GatesNotPassedError(DomainError):
    """The hard conditions of admission do not hold; `reasons` names each that fails."""

    code = "gates_not_passed"
    message = N_("The conditions for admission are not met.")
