"""What can go wrong with settlement, in words for people and codes for programs."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class UnknownLineError(NotFoundError):
    """No agreement line has this id, or the books hold no account in its currency."""

    code = "unknown_agreement_line"
    message = N_("This agreement could not be found.")


class PeriodNotOverError(DomainError):
    """A month is settled after its last day."""

    code = "period_not_over"
    message = N_("%(period)s is not over yet.")


class UnknownStatementError(NotFoundError):
    """No statement has this id, or it is not the asker's."""

    code = "unknown_statement"
    message = N_("This statement could not be found.")


class StatementStateError(DomainError):
    """The transition is not in the table of `states.py`, or somebody else was quicker."""

    code = "wrong_statement_state"
    message = N_("A statement that is “%(state)s” cannot become “%(wanted)s”.")


class SamePersonError(DomainError):
    """Four eyes: who prepared it does not approve it (docs/rules.md 14)."""

    code = "same_person"
    message = N_("You prepared this yourself. Somebody else has to approve it.")


class BooksDifferError(DomainError):
    """Lines, entries and the partner's account do not agree: nothing may be sent or paid until that is explained."""

    code = "books_differ"
    message = N_("Statement and books do not agree for %(partner)s. Nothing was changed.")


class NothingToPayError(DomainError):
    """The statement, with the debt carried into it, leaves nothing to pay."""

    code = "nothing_to_pay"
    message = N_("There is nothing to pay out: the balance stays on the partner's account.")


class SomethingToPayError(DomainError):
    """Only a statement without anything to pay is closed without a payout."""

    code = "something_to_pay"
    message = N_("This statement leaves money to pay out.")


class PayoutExistsError(DomainError):
    """There is a payout for this statement already."""

    code = "payout_exists"
    message = N_("A payout was already prepared for this statement.")


class UnknownPayoutError(NotFoundError):
    """No payout has this id."""

    code = "unknown_payout"
    message = N_("This payout could not be found.")


class AlreadyPaidError(DomainError):
    """A payout is paid once (docs/rules.md 14)."""

    code = "already_paid"
    message = N_("This payout was already paid.")


class BankReferenceUsedError(DomainError):
    """A bank reference stands for one payment only."""

    code = "bank_reference_used"
    message = N_("This bank reference belongs to another payout.")
