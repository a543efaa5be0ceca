"""What member service is refused."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class NotMergeableError(DomainError):
    """These two members cannot be merged as they are; the reasons say what is in the way."""

    code = "not_mergeable"
    message = N_("These two members cannot be merged.")


class ChangedMeanwhileError(DomainError):
    """What would be merged is no longer what was looked at."""

    code = "changed_meanwhile"
    message = N_("Something has moved since you looked. Look again at what would be merged, then confirm.")


class DecidedAlreadyError(DomainError):
    """Somebody has decided about the adjustment already."""

    code = "decided_already"
    message = N_("Somebody has decided about this adjustment already.")


class OwnRequestError(DomainError):
    """The one who asks does not decide (docs/rules.md 14)."""

    code = "own_request"
    message = N_("You asked for this adjustment: somebody else decides about it.")
