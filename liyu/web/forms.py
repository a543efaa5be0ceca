"""HTML forms: from the strings a browser sends to typed values, with the faults of all fields at once.

    class SignInForm(Form):
        email = EmailField(N_("E-mail"))
        password = TextField(N_("Password"), strip=False)

    form = await SignInForm.read(request)
    if not form.is_valid:
        return page(request, "partner/login.html", status=422, form=form)
    form.email  # str

Templates read `form.raw` (what was typed), `form.errors` (words by field name) and hand both to the field macros.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Generic, Self, TypeVar, overload

import phonenumbers
from litestar import Request
from litestar.datastructures import UploadFile

from liyu.core.errors import InvalidInputError
from liyu.core.i18n import N_, Message
from liyu.web.formats import current_zone
from liyu.web.i18n import translate

Value = TypeVar("Value")

REGION = "CN"
MAXIMUM_TEXT_LENGTH = 2000


class FieldError(ValueError):
    """Why a value cannot be taken, in words for the person who typed it."""

    def __init__(self, text: str, **values: Any) -> None:
        self.message = Message(text, values)
        super().__init__(text)


class Field(ABC, Generic[Value]):
    """One field; on a read form the attribute is its typed value."""

    name: str

    def __init__(self, label: str = "", *, required: bool = True, default: Any = None) -> None:
        self.label = label
        self.required = required
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, form: None, owner: type) -> Self: ...

    @overload
    def __get__(self, form: "Form", owner: type) -> Value: ...

    def __get__(self, form: "Form | None", owner: type) -> "Self | Value":
        if form is None:
            return self
        value: Value = form.values[self.name]
        return value

    @abstractmethod
    def clean(self, given: list[Any]) -> Any:
        """The typed value of what was sent. Raises FieldError."""


class ParsedField(Field[Value]):
    """A field whose value is read from one text."""

    def clean(self, given: list[Any]) -> Any:
        text = str(given[0]).strip() if given else ""
        if not text:
            if self.required:
                raise FieldError(N_("This field is needed."))
            return self.default
        return self.parse(text)

    @abstractmethod
    def parse(self, text: str) -> Value:
        """The typed value of a text that is not empty. Raises FieldError."""


class TextField(ParsedField[str]):
    """Words; empty text when it is optional and left out."""

    def __init__(
        self, label: str = "", *, required: bool = True, maximum: int = MAXIMUM_TEXT_LENGTH, strip: bool = True
    ) -> None:
        super().__init__(label, required=required, default="")
        self.maximum = maximum
        self.strip = strip

    def clean(self, given: list[Any]) -> Any:
        if not self.strip and given and str(given[0]):
            return self.parse(str(given[0]))
        return super().clean(given)

    def parse(self, text: str) -> str:
        if len(text) > self.maximum:
            raise FieldError(N_("Use at most %(maximum)s characters."), maximum=self.maximum)
        if "\x00" in text:
            raise FieldError(N_("This contains a character that cannot be stored."))
        return text


class EmailField(TextField):
    """An e-mail address in lower case; only its shape is looked at."""

    def parse(self, text: str) -> str:
        local, at, domain = super().parse(text).rpartition("@")
        if not (at and local and "." in domain) or " " in text:
            raise FieldError(N_("Enter an e-mail address, such as name@example.com."))
        return text.lower()


class PhoneField(ParsedField[str]):
    """A phone number in E.164, Chinese unless it says otherwise: `+8613800138000`."""

    def parse(self, text: str) -> str:
        try:
            number = phonenumbers.parse(text, REGION)
        except phonenumbers.NumberParseException:
            raise FieldError(N_("Enter a mobile number, such as 138 0013 8000.")) from None
        if not phonenumbers.is_possible_number(number):
            raise FieldError(N_("Enter a mobile number, such as 138 0013 8000."))
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


class IntegerField(ParsedField[int]):
    """A whole number, thousands separators allowed."""

    def __init__(
        self,
        label: str = "",
        *,
        required: bool = True,
        minimum: int = 0,
        maximum: int = 2**31 - 1,
        default: int | None = None,
    ) -> None:
        super().__init__(label, required=required, default=default)
        self.minimum = minimum
        self.maximum = maximum

    def parse(self, text: str) -> int:
        digits = text.replace(",", "").replace("，", "")
        if not digits.isascii() or not digits.removeprefix("-").isdigit() or len(digits) > 18:
            raise FieldError(N_("Enter a whole number."))
        number = int(digits)
        if not self.minimum <= number <= self.maximum:
            raise FieldError(
                N_("Enter a number from %(minimum)s to %(maximum)s."), minimum=self.minimum, maximum=self.maximum
            )
        return number


class MoneyField(ParsedField[int]):
    """An amount as people write it (`1,284.30`), as integer minor units."""

    def __init__(self, label: str = "", *, required: bool = True, default: int | None = None, digits: int = 2) -> None:
        super().__init__(label, required=required, default=default)
        self.digits = digits

    def parse(self, text: str) -> int:
        try:
            minor = Decimal(text.replace(",", "").replace("，", "").lstrip("¥￥ ")).scaleb(self.digits)
        except InvalidOperation:
            raise FieldError(N_("Enter an amount, such as 128.50.")) from None
        if not minor.is_finite() or minor != minor.to_integral_value() or not 0 <= minor < 10**15:
            raise FieldError(N_("Enter an amount, such as 128.50."))
        return int(minor)


class DecimalField(ParsedField[Decimal]):
    """A number with a few decimals, kept exact."""

    def __init__(
        self,
        label: str = "",
        *,
        required: bool = True,
        minimum: Decimal | int = 0,
        maximum: Decimal | int = 10**9,
        places: int = 2,
    ) -> None:
        super().__init__(label, required=required)
        self.minimum, self.maximum, self.places = Decimal(minimum), Decimal(maximum), places

    def parse(self, text: str) -> Decimal:
        try:
            number = Decimal(text.replace(",", "").replace("，", "").rstrip("%％ "))
        except InvalidOperation:
            raise FieldError(N_("Enter a number, such as 12.5.")) from None
        # The bounds come first: of a number with more digits than decimals are reckoned with nothing can be rounded.
        if number.is_finite() and not self.minimum <= number <= self.maximum:
            bounds = {"minimum": f"{self.minimum:f}", "maximum": f"{self.maximum:f}"}
            raise FieldError(N_("Enter a number from %(minimum)s to %(maximum)s."), **bounds)
        if not number.is_finite() or number != round(number, self.places):
            raise FieldError(N_("Enter a number with at most %(places)s decimals."), places=self.places)
        return number


class ChoiceField(ParsedField[str]):
    """One of a few values. `choices` may be a function, for values that are known later only."""

    def __init__(
        self,
        choices: Iterable[str] | Callable[[], Iterable[str]],
        label: str = "",
        *,
        required: bool = True,
        default: str | None = None,
    ) -> None:
        super().__init__(label, required=required, default=default)
        self.choices = choices

    def parse(self, text: str) -> str:
        if text not in (self.choices() if callable(self.choices) else self.choices):
            raise FieldError(N_("Choose one of the values offered."))
        return text


class ChoicesField(Field[list[str]]):
    """Any of a few values."""

    def __init__(self, choices: Iterable[str], label: str = "", *, required: bool = False) -> None:
        super().__init__(label, required=required)
        self.choices = frozenset(choices)

    def clean(self, given: list[Any]) -> list[str]:
        if self.required and not given:
            raise FieldError(N_("Choose at least one."))
        if not self.choices.issuperset(given):
            raise FieldError(N_("Choose one of the values offered."))
        return list(dict.fromkeys(given))


class CheckField(Field[bool]):
    """A box that is ticked or not; a required one must be ticked."""

    def __init__(self, label: str = "", *, required: bool = False) -> None:
        super().__init__(label, required=required)

    def clean(self, given: list[Any]) -> bool:
        if self.required and not given:
            raise FieldError(N_("Please tick this box."))
        return bool(given) and str(given[0]) not in {"", "no", "off", "false", "0"}


YEARS = range(1800, 2200)
"""Of dates that anybody means; calendars end beyond them, and a day before the first or after the last cannot be reckoned."""


class DateField(ParsedField[date | None]):
    """A calendar date, 2026-11-22."""

    def parse(self, text: str) -> date | None:
        with contextlib.suppress(ValueError):
            day = date.fromisoformat(text)
            if day.year in YEARS:
                return day
        raise FieldError(N_("Enter a date, such as 2026-11-22."))


class InstantField(ParsedField[datetime | None]):
    """A date and time of the program's zone, as `<input type="datetime-local">` sends it."""

    def parse(self, text: str) -> datetime | None:
        with contextlib.suppress(ValueError):
            instant = datetime.fromisoformat(text)
            if instant.year in YEARS:
                return instant if instant.tzinfo else instant.replace(tzinfo=current_zone())
        raise FieldError(N_("Enter a date and time, such as 2026-11-22 18:00."))


class FileField(Field[UploadFile | None]):
    """An uploaded file; its content is for the handler to judge."""

    def clean(self, given: list[Any]) -> UploadFile | None:
        file = given[0] if given and isinstance(given[0], UploadFile) and given[0].filename else None
        if file is None and self.required:
            raise FieldError(N_("Choose a file."))
        return file


class Form:
    """A form that was read. Subclasses declare fields and may override `check` for faults between fields."""

    fields: ClassVar[dict[str, Field[Any]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {name: field for name, field in vars(cls).items() if isinstance(field, Field)}
        cls.fields = {**cls.fields, **own}

    def __init__(self, given: Mapping[str, list[Any]] | None = None, initial: Mapping[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = {}
        self.faults: dict[str, Message] = {}
        self.raw: dict[str, Any] = dict.fromkeys(self.fields, "") | dict(initial or {})
        if given is not None:
            self._take(given)

    @classmethod
    def blank(cls, **initial: Any) -> Self:
        """A form that nobody has filled in yet, with values to show first."""
        return cls(initial=initial)

    @classmethod
    async def read(cls, request: Request[Any, Any, Any]) -> Self:
        """The form that came with a request; unknown fields are ignored."""
        form = await request.form()
        # A browser sends the fields as they stand on the page, and the error summary names them in this order.
        sent = [name for name in dict.fromkeys(form) if name in cls.fields]
        return cls({name: form.getall(name, []) for name in dict.fromkeys([*sent, *cls.fields])})

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """A form from plain values, such as a query string."""
        return cls({name: value if isinstance(value, list) else [value] for name, value in given.items()})

    def check(self) -> Iterable[tuple[str, Message]]:
        """Faults between fields, as (field name, words); asked only when every field is fine on its own."""
        return ()

    @property
    def is_valid(self) -> bool:
        """Whether every field was filled in well."""
        return not self.faults

    @property
    def errors(self) -> dict[str, str]:
        """The faults in the current language, by field as they were sent; the form's own stand under the empty name, first."""
        places = {name: place for place, name in enumerate(["", *self.raw])}
        ordered = sorted(self.faults, key=lambda name: places.get(name, len(places)))
        return {name: translate(self.faults[name]) for name in ordered}

    @property
    def labels(self) -> dict[str, str]:
        """The labels in the current language, for the error summary."""
        return {name: translate(field.label) for name, field in self.fields.items() if field.label}

    def refuse(self, message: Message | str, field: str = "") -> None:
        """Add a fault that only the handler could find."""
        self.faults[field] = Message(message) if isinstance(message, str) else message

    def adopt(self, refusal: InvalidInputError) -> bool:
        """Take over the faults that the domain found in fields of this form; whether there were any."""
        known = [reason for reason in refusal.reasons if reason.details.get("field") in self.fields]
        for reason in known:
            self.refuse(reason.message, str(reason.details["field"]))
        return bool(known)

    def _take(self, given: Mapping[str, list[Any]]) -> None:
        self.raw = dict.fromkeys([name for name in given if name in self.fields]) | self.raw
        for name, field in self.fields.items():
            sent = given.get(name, [])
            self.raw[name] = sent if isinstance(field, ChoicesField) else (sent[0] if sent else "")
            try:
                self.values[name] = field.clean(list(sent))
            except FieldError as fault:
                self.faults[name] = fault.message
        if not self.faults:
            self.faults.update(self.check())
