"""What can go wrong with a campaign."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class UnknownCampaignError(NotFoundError):
    """No campaign has this id."""

    code = "unknown_campaign"
    message = N_("There is no such campaign.")


class NobodyMeantError(DomainError):
    """Nobody is left to give to."""

    code = "nobody_meant"
    message = N_("Nobody is meant by this.")


class TooManyPeopleError(DomainError):
    """More people than one campaign may have."""

    code = "too_many_people"
    message = N_("%(people)s members are meant; one campaign has at most %(most)s.")


class StepNotPossibleError(DomainError):
    """The campaign is not in the state from which this step leads on."""

    code = "step_not_possible"
    message = N_("The campaign has gone on meanwhile. Please look again.")


class OwnCampaignError(DomainError):
    """Whoever asked does not decide."""

    code = "own_request"
    message = N_("Somebody else has to approve what you asked for.")
