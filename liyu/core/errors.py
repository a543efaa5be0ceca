"""Domain errors carry their own HTTP status, a stable code for programs and a message for people."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from liyu.core.i18n import N_, Message


@dataclass(frozen=True, slots=True)
class Reason:
    """One failed condition of a refusal: a stable code, the words for people, and the figures behind it."""

    code: str
    message: Message
    details: dict[str, Any] = field(default_factory=dict)


class DomainError(Exception):
    """A refusal that says why. Nothing has changed when it is raised out of a unit of work."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "conflict"
    message: ClassVar[str] = N_("This is not possible right now.")

    def __init__(self, *, reasons: list[Reason] | None = None, **values: Any) -> None:
        self.values = values
        self.reasons = reasons or []
        super().__init__(str(self.text))

    @property
    def text(self) -> Message:
        """The message with its values, ready to be translated."""
        return Message(self.message, self.values)

    @property
    def stable_code(self) -> str:
        """The code that programs see."""
        return self.code


class NotFoundError(DomainError):
    """It does not exist, or it is not the asker's: one answer for both."""

    status = 404
    code = "not_found"
    message = N_("This could not be found.")


class NotAllowedError(DomainError):
    """The actor's role does not cover this."""

    status = 403
    code = "not_allowed"
    message = N_("Your role does not allow this.")


class InvalidInputError(DomainError):
    """Input that cannot be understood; `reasons` names every faulty field by `details["field"]`."""

    status = 422
    code = "invalid_input"
    message = N_("Some of the entries need another look.")

    @classmethod
    def of_fields(cls, faults: dict[str, Message]) -> "InvalidInputError":
        """One error that names the fault of every field."""
        return cls(reasons=[Reason("invalid", message, {"field": name}) for name, message in faults.items()])


class IdempotencyConflictError(DomainError):
    """The same idempotency key came with another body (docs/rules.md 8)."""

    code = "idempotency_conflict"
    message = N_("This idempotency key was already used with another request.")


class BusyError(DomainError):
    """A lock could not be had in time; trying again is safe."""

    status = 503
    code = "busy"
    message = N_("There is a rush right now. Nothing was changed; please try again.")
