"""What can go wrong with tags and segments."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class UnknownTagError(NotFoundError):
    """There is no such tag."""

    code = "unknown_tag"
    message = N_("There is no such tag.")


class UnknownSegmentError(NotFoundError):
    """There is no such segment."""

    code = "unknown_segment"
    message = N_("There is no such segment.")


class TagByRuleError(DomainError):
    """A rule's tag is given and taken by its rule alone."""

    code = "tag_by_rule"
    message = N_("This tag is given and taken by its rule alone.")


class NameTakenError(DomainError):
    """Another one has this code or name."""

    code = "name_taken"
    message = N_("Another one has this code or name.")
