"""What can go wrong with an import as a whole. What is wrong with a row stands with the row."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class UnknownImportError(NotFoundError):
    """There is no such import."""

    code = "unknown_import"
    message = N_("There is no such import.")


class FileUnreadableError(DomainError):
    """The file cannot be read at all; the reasons say why. Nothing was changed."""

    status = 422
    code = "file_unreadable"
    message = N_("This file cannot be read. Nothing was changed.")


class ImportNotReadyError(DomainError):
    """The import is in another state than the step asks for."""

    code = "import_not_ready"
    message = N_("This step is not possible any more: the import has moved on.")


class NothingToImportError(DomainError):
    """Every row is faulty or as the members are already."""

    code = "nothing_to_import"
    message = N_("There is nothing to import: no row is new or changed.")
