"""QR contents: the wallet's token goes stale, the paper's is signed, and neither can be made or changed."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liyu.core.settings import Settings, SettingsError
from liyu.vouchers.alphabet import LETTERS
from liyu.vouchers.disguise import HIGHEST_ID
from liyu.vouchers.keys import add_key
from liyu.vouchers.qr import draw_qr, trace_qr
from liyu.vouchers.serials import serial_of
from liyu.vouchers.tokens import Form, Presented, Tokens
from tests.vouchers.tills import TOKENS
from tests.world import NOW

OTHERS = Tokens("another-secret-for-tests-" + "1" * 32)
LAST_DAY = date(2027, 3, 31)
ITEM = 4711
ids = st.integers(1, HIGHEST_ID)
seconds = st.integers(-3_000_000, 3_000_000)


@given(ids, st.integers(0, 59))
def test_a_wallet_token_is_good_for_its_window_and_one_more(voucher_id: int, age: int) -> None:
    token = TOKENS.dynamic_token(voucher_id, NOW)
    assert TOKENS.read(token, NOW + timedelta(seconds=age)) == Presented(voucher_id, Form.DYNAMIC)


@given(ids, seconds)
def test_a_wallet_token_of_another_time_is_stale(voucher_id: int, age: int) -> None:
    presented = TOKENS.read(TOKENS.dynamic_token(voucher_id, NOW), NOW + timedelta(seconds=age))
    assert presented == Presented(voucher_id, Form.DYNAMIC, stale=not 0 <= age < 60)


def test_a_token_is_not_good_again_when_its_letters_come_round() -> None:
    token = TOKENS.dynamic_token(5, NOW)
    assert TOKENS.read(token, NOW + timedelta(seconds=30 * 32**4)) is None


@given(ids)
def test_a_paper_token_is_read_at_any_time(voucher_id: int) -> None:
    token = TOKENS.static_token(voucher_id, LAST_DAY, ITEM)
    assert TOKENS.read(token, NOW) == TOKENS.read(token.lower(), NOW) == Presented(voucher_id, Form.STATIC)
    assert token == TOKENS.static_token(voucher_id, LAST_DAY, ITEM)


def test_a_code_is_read_too() -> None:
    assert TOKENS.read(TOKENS.codes.code_of(7), NOW) == Presented(7, Form.CODE)


@pytest.mark.parametrize("make", [lambda t: t.dynamic_token(5, NOW), lambda t: t.static_token(5, LAST_DAY, ITEM)])
def test_a_changed_or_foreign_token_is_nothing(make: "object") -> None:
    assert callable(make)
    token = make(TOKENS)
    assert OTHERS.read(token, NOW) is None
    for position in range(len(token)):
        for letter in "0Z":
            changed = token[:position] + letter + token[position + 1 :]
            assert changed == token or TOKENS.read(changed, NOW) is None, position
    assert TOKENS.read(token[:-1], NOW) is None
    assert TOKENS.read(token + "0", NOW) is None


@given(st.text(max_size=200) | st.text(LETTERS, min_size=124, max_size=124).map("S1".__add__))
def test_any_text_is_read_as_nothing(text: str) -> None:
    assert TOKENS.read(text, NOW) is None


def test_tokens_tell_neither_the_code_nor_the_id() -> None:
    code = TOKENS.codes.code_of(5).replace("-", "")[:11]
    one, other = TOKENS.dynamic_token(5, NOW), TOKENS.dynamic_token(6, NOW)
    assert code not in one
    assert code not in TOKENS.static_token(5, LAST_DAY, ITEM)
    assert sum(a == b for a, b in zip(one[2:13], other[2:13], strict=True)) < 5


def test_the_qr_stays_small_and_has_no_inline_style() -> None:
    for token, modules in ((TOKENS.dynamic_token(5, NOW), 25), (TOKENS.static_token(5, LAST_DAY, ITEM), 41)):
        drawing = draw_qr(token)
        assert ET.fromstring(drawing).get("viewBox") == f"0 0 {modules + 8} {modules + 8}"
        assert "style" not in drawing
        assert trace_qr(token)[0] == modules + 8


OLD, NEW = "a-secret-for-tests-" + "0" * 32, "a-newer-secret-" + "2" * 32
ROTATED = Tokens(OLD, [(1_000, NEW)])


@given(st.integers(1, 2_000), st.integers(0, 15))
def test_a_new_secret_changes_no_voucher_that_is_out(voucher_id: int, generation: int) -> None:
    """Each voucher keeps the secret of its id for life; the old secret makes nothing of a newer voucher, nor the other way."""
    serial, newer = serial_of(voucher_id, generation), Tokens(NEW)
    own, foreign = (newer, TOKENS) if voucher_id >= 1_000 else (TOKENS, newer)
    ways: tuple[Callable[[Tokens], str], ...] = (
        lambda tokens: tokens.codes.code_of(serial),
        lambda tokens: tokens.dynamic_token(serial, NOW),
        lambda tokens: tokens.static_token(serial, LAST_DAY, ITEM),
    )
    for make in ways:
        assert make(ROTATED) == make(own)
        presented = ROTATED.read(make(ROTATED), NOW)
        assert presented is not None
        assert presented.serial == serial
        assert ROTATED.read(make(foreign), NOW) is None
    assert ROTATED.public_keys == [*TOKENS.public_keys, *newer.public_keys]


def test_secrets_are_added_at_the_end_and_listed_in_the_setting(tmp_path: Path) -> None:
    keys = add_key(OLD, (), first_id=500, secret=NEW)
    assert keys == [(1, OLD), (500, NEW)]
    listed = ",".join(f"{first}:{secret}" for first, secret in keys)
    environment = {"LIYU_DATA_DIR": str(tmp_path), "LIYU_VOUCHER_KEYS": listed, "LIYU_SECRET_KEY": "another" * 8}
    settings = Settings.from_environment(environment)
    assert settings.voucher_keys == tuple(keys)
    # Once the list begins with the first voucher, the secret key can be another one.
    assert Tokens(settings.secret_key, settings.voucher_keys).codes.code_of(7) == TOKENS.codes.code_of(7)
    with pytest.raises(ValueError, match="500"):
        add_key(OLD, tuple(keys), first_id=500, secret="x" * 32)
    for faulty in ("secret", "0:" + NEW, "1:short", f"1:{OLD},1:{NEW}"):
        with pytest.raises(SettingsError, match="LIYU_VOUCHER_KEYS"):
            Settings.from_environment(environment | {"LIYU_VOUCHER_KEYS": faulty})
