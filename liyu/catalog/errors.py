"""What can go wrong in the catalog."""

from dataclasses import dataclass

from liyu.core.errors import DomainError, InvalidInputError, NotFoundError, Reason
from liyu.core.i18n import N_, Message


@dataclass(frozen=True, slots=True, order=True)
class RowFault:
    """What is wrong with one cell of a file. Rows are counted as a spreadsheet does: the header is row 1."""

    row: int
    column: str
    message: Message

    def as_reason(self) -> Reason:
        """The fault as a reason of the error that refuses the file."""
        place = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return Reason("invalid", self.message, {"field": place, "row": self.row, "column": self.column})


class FileFaultyError(InvalidInputError):
    """A file was refused as a whole; `faults` names every fault of every row, in order."""

    code = "file_faulty"
    message = N_("Faults in the file: %(count)s. Nothing was changed.")

    def __init__(self, faults: list[RowFault]) -> None:
        self.faults = sorted(faults, key=lambda fault: (fault.row, fault.column))
        super().__init__(reasons=[fault.as_reason() for fault in self.faults], count=len(faults))


class ItemNotFoundError(NotFoundError):
    """No item has this number, or it is another partner's."""

    code = "unknown_item"
    message = N_("There is no such item.")


class StateNotReachableError(DomainError):
    """The table of transitions does not lead from the item's state to the wanted one."""

    code = "state_not_reachable"
    message = N_("An item that is “%(state)s” cannot become “%(wanted)s”.")


class StockBelowTakenError(DomainError):
    """Units that members hold cannot be taken off the stock."""

    code = "stock_below_taken"
    message = N_("%(taken)s units are taken already; the stock cannot be less.")


class StockOfPoolError(DomainError):
    """The stock of an item with codes is the number of its codes."""

    code = "stock_of_pool"
    message = N_("The stock of this item is the number of its codes. Import codes to offer more.")


class NotACodeItemError(DomainError):
    """Only items of the kind `code` have a pool."""

    code = "not_a_code_item"
    message = N_("Only items that hand out codes have a code pool.")


class TooManyFavouritesError(DomainError):
    """The list of favourites is full."""

    code = "too_many_favourites"
    message = N_("You keep an eye on %(most)s items already. Let go of one to add another.")


class NothingToRecallError(DomainError):
    """Every code that was meant has been used, given back or recalled already."""

    code = "nothing_to_recall"
    message = N_("There is nothing to recall: these codes are used, given back or recalled already.")


class CandidateNotOpenError(DomainError):
    """Votes count while a candidate is open."""

    code = "candidate_not_open"
    message = N_("The vote on this is closed.")


class TermsAnnouncedError(DomainError):
    """The item stands for the entries of a draw, whose terms are announced: the database keeps them as they are."""

    code = "terms_announced"
    message = N_("A draw is announced with this item. Its price, times, limits and stock stay as they were announced.")
