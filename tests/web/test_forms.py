from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from liyu.core.i18n import Message
from liyu.web import i18n
from liyu.web.forms import (
    CheckField,
    ChoiceField,
    ChoicesField,
    DateField,
    DecimalField,
    EmailField,
    Field,
    FieldError,
    Form,
    InstantField,
    IntegerField,
    MoneyField,
    PhoneField,
    TextField,
)


class OfferForm(Form):
    name = TextField("Name", maximum=10)
    points = IntegerField("Points", minimum=1, maximum=1_000_000)
    price = MoneyField("Price", required=False, default=0)
    kind = ChoiceField(["goods", "coupon"])
    cities = ChoicesField(["3101", "4403"])
    live = CheckField()
    ends_on = DateField(required=False)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.kind == "coupon" and self.price:
            yield "price", Message("A coupon costs points only.")


GOOD: dict[str, Any] = {"name": " Tea ", "points": "1,280", "kind": "goods", "cities": ["3101"], "live": "on"}


@pytest.fixture(autouse=True)
def _speak_english() -> None:
    i18n.use_locale("en")


def test_a_good_form_has_typed_values() -> None:
    form = OfferForm.parse(GOOD | {"price": "9.90", "ends_on": "2026-11-30", "unknown": "ignored"})
    assert form.is_valid
    assert (form.name, form.points, form.price, form.kind) == ("Tea", 1280, 990, "goods")
    assert (form.cities, form.live, form.ends_on) == (["3101"], True, date(2026, 11, 30))


def test_a_bad_form_names_every_fault_and_keeps_what_was_typed() -> None:
    form = OfferForm.parse({"name": "x" * 11, "points": "many", "kind": "car", "cities": ["9999"], "price": "1.234"})
    assert set(form.errors) == {"name", "points", "kind", "cities", "price"}
    assert form.errors["name"] == "Use at most 10 characters."
    assert form.raw["points"] == "many"
    assert form.raw["cities"] == ["9999"]


def test_faults_are_named_in_the_order_of_the_page() -> None:
    form = OfferForm.parse({"points": "many", "cities": ["9999"], "name": ""})
    form.refuse("It is too late.")
    assert list(form.errors) == ["", "points", "cities", "name", "kind"]
    assert list(OfferForm.blank().raw) == list(OfferForm.fields)


def test_faults_between_fields_are_looked_for_once_each_field_is_fine() -> None:
    form = OfferForm.parse(GOOD | {"kind": "coupon", "price": "1"})
    assert form.errors == {"price": "A coupon costs points only."}


def test_optional_fields_may_be_left_out_and_an_empty_text_is_not_a_value() -> None:
    form = OfferForm.parse({key: GOOD[key] for key in ("name", "points", "kind")} | {"ends_on": ""})
    assert form.is_valid
    assert (form.price, form.cities, form.live, form.ends_on) == (0, [], False, None)
    assert set(OfferForm.parse({}).errors) == {"name", "points", "kind"}


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (IntegerField(), "０", None),
        (IntegerField(), "1e3", None),
        (IntegerField(), "--1", None),
        (IntegerField(minimum=-5), "-5", -5),
        (IntegerField(), "9" * 30, None),
        (MoneyField(), "¥ 1,284.3", 128430),
        (MoneyField(), "-1", None),
        (MoneyField(), "NaN", None),
        (MoneyField(), "Infinity", None),
        (MoneyField(), "1e400", None),
        (DecimalField(places=3), "121.474", Decimal("121.474")),
        (DecimalField(places=3), "0.0004", None),
        (DecimalField(), "9" * 40, None),
        (DecimalField(), "1e400", None),
        (DecimalField(), "sNaN", None),
        (PhoneField(), "138 0013 8000", "+8613800138000"),
        (PhoneField(), "+86 138-0013-8000", "+8613800138000"),
        (PhoneField(), "12", None),
        (PhoneField(), "phone", None),
        (EmailField(), "Name@Example.COM", "name@example.com"),
        (EmailField(), "name@", None),
        (EmailField(), "a b@example.com", None),
        (DateField(), "2026-02-30", None),
        (DateField(), "0001-01-01", None),
        (DateField(), "9999-12-31", None),
        (InstantField(), "9999-12-31T23:59", None),
        (InstantField(), "2026-11-22T18:00", datetime(2026, 11, 22, 10, 0, tzinfo=UTC)),
        (TextField(), "a\x00b", None),
    ],
)
def test_what_a_field_takes(field: Field[Any], text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(FieldError):
            field.clean([text])
    else:
        assert field.clean([text]) == value


def test_a_password_keeps_its_spaces() -> None:
    assert TextField(strip=False).clean([" two words "]) == " two words "
