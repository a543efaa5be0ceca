"""What can go wrong with a payment."""

from liyu.core.errors import DomainError
from liyu.core.i18n import N_


class PaymentUnavailableError(DomainError):
    """No payment provider is connected."""

    code = "payment_unavailable"
    message = N_("Paying the cash part is not possible here at the moment.")


class NotPayableError(DomainError):
    """The order does not wait for a payment: it is paid, or was released."""

    code = "not_payable"
    message = N_("This order does not wait for a payment any more.")


class ProviderUnreachableError(DomainError):
    """The provider gave no answer; whether it did what was asked is not known. Asking again with the same key is safe."""

    status = 503
    code = "payment_provider_unreachable"
    message = N_("The payment service does not answer. Nothing was charged; please try again.")


class ProviderRefusedError(DomainError):
    """The provider refused what was asked; `values["fault"]` has its own words, for the log and for operators."""

    code = "payment_refused"
    message = N_("This way to pay is not possible right now. Please choose another one.")


class BadSignatureError(DomainError):
    """A webhook that the provider did not sign, or signed too long ago."""

    status = 400
    code = "bad_signature"
    message = N_("The signature does not match.")


class RefundTooLargeError(DomainError):
    """More should go back than was paid and has not gone back yet."""

    code = "refund_too_large"
    message = N_("At most %(left)s can still be refunded.")
