"""What can go wrong with parcels."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class NotShippableError(DomainError):
    """Nothing of the order is sent by post, or its state does not allow it."""

    code = "not_shippable"
    message = N_("This order is not waiting to be sent.")


class TooManyUnitsError(DomainError):
    """More units would be sent than are left of the order."""

    code = "too_many_units"
    message = N_("Only %(left)s units are left to be sent.")


class ParcelKnownError(DomainError):
    """The order was sent with this tracking number already."""

    code = "parcel_known"
    message = N_("This order was sent with this tracking number already.")


class NothingToReceiveError(DomainError):
    """No parcel of the order is on its way."""

    code = "nothing_to_receive"
    message = N_("No parcel of this order is on its way.")


class ParcelReceivedError(DomainError):
    """What was received is not corrected any more."""

    code = "parcel_received"
    message = N_("This parcel was received; it cannot be changed any more.")
