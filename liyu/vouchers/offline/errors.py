"""What a device of a till is refused, in words for the portal."""

from liyu.core.errors import DomainError, NotFoundError
from liyu.core.i18n import N_


class UnknownDeviceError(NotFoundError):
    """No such device, another partner's or another store's."""

    code = "unknown_device"
    message = N_("There is no such device.")


class WrongPairingCodeError(DomainError):
    """Mistyped, used, too old or another partner's: one answer for all."""

    status = 422
    code = "wrong_pairing_code"
    message = N_("This code is wrong or too old. Ask your manager for a new one.")


class DeviceRevokedError(DomainError):
    """The device was revoked before."""

    code = "device_revoked"
    message = N_("This device was already revoked.")


class UnknownConflictError(NotFoundError):
    """No such conflict, or another partner's."""

    code = "unknown_conflict"
    message = N_("There is no such conflict.")


class SameBearerError(DomainError):
    """The loss lies there already."""

    code = "same_bearer"
    message = N_("It is already decided so. Somebody may have been quicker; please look again.")
