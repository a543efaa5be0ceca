"""What can go wrong in the member's own corner."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class TooManyAddressesError(DomainError):
    """The address book is full."""

    code = "too_many_addresses"
    message = N_("You have %(most)s addresses already. Delete one first.")


class BirthdayFixedError(DomainError):
    """The birthday was set a short while ago."""

    code = "birthday_fixed"
    message = N_("A birthday can be changed once in %(days)s days; the next time is on %(day)s.")


class PhoneChangedRecentlyError(DomainError):
    """The phone was changed a short while ago."""

    code = "phone_changed_recently"
    message = N_("A phone number can be changed once in %(days)s days; the next time is on %(day)s.")


class SamePhoneError(DomainError):
    """The new number is the old one."""

    code = "same_phone"
    message = N_("This is the number of the account already.")


class PhoneMovedMeanwhileError(DomainError):
    """The number that was proven is no longer the one of the account."""

    code = "phone_moved"
    message = N_("The number of the account has changed meanwhile. Please begin again.")


class TextReplacedError(DomainError):
    """A newer wording was published after the page was opened."""

    code = "text_replaced"
    message = N_("This text was replaced by a newer one. Please read it again.")


class FieldTakenError(DomainError):
    """Another profile field has this key."""

    code = "field_taken"
    message = N_("Another field has this key.")


class OptionInUseError(DomainError):
    """A choice that members have made cannot be taken away."""

    code = "option_in_use"
    message = N_("Members have chosen “%(option)s”; it has to stay.")


class ClosingAlreadyAskedError(DomainError):
    """The account is going to be closed already."""

    code = "closing_asked"
    message = N_("Closing was asked for already.")


class NoClosingError(DomainError):
    """There is nothing to take back."""

    code = "no_closing"
    message = N_("Nobody has asked to close this account.")


class OpenOrdersError(DomainError):
    """Something is still on its way to the member."""

    code = "open_orders"
    message = N_("Some orders are still open: %(orders)s. They need your name and address until they have arrived.")


class AlreadyErasedError(DomainError):
    """Nothing personal is left."""

    code = "already_erased"
    message = N_("This account was erased already.")
