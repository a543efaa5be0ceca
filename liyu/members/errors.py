"""What can go wrong with a member's record."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class UnknownMemberError(NotFoundError):
    """No member has this external id."""

    code = "unknown_member"
    message = N_("No member has this id.")


class PhoneTakenError(DomainError):
    """The phone number belongs to another member."""

    code = "phone_taken"
    message = N_("This phone number belongs to another member.")


class MemberClosedError(DomainError):
    """A closed membership stays closed."""

    code = "member_closed"
    message = N_("The membership is closed.")


class StateNotPossibleError(DomainError):
    """The membership cannot go from its state to the wanted one."""

    code = "state_not_possible"
    message = N_("Only somebody who is new can be pre-registered.")
