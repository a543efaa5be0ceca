"""Codes cannot be guessed, tell typing errors, and forgive how people type."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liyu.vouchers.alphabet import LETTERS, check_letter
from liyu.vouchers.codes import Codes, is_mistyped, mask_code
from liyu.vouchers.disguise import HIGHEST_ID, Disguise
from tests.proofs import at_size

CODES = Codes("a-secret-for-tests-" + "0" * 32)
OTHERS = Codes("another-secret-for-tests-" + "1" * 32)
ids = st.integers(1, HIGHEST_ID)


@given(ids)
def test_a_code_leads_back_to_its_voucher(voucher_id: int) -> None:
    code = CODES.code_of(voucher_id)
    assert CODES.voucher_id_of(code) == voucher_id
    assert len(code) == 14
    assert set(code) <= {*LETTERS, "-"}
    assert not is_mistyped(code)


@given(ids, ids)
def test_no_two_vouchers_share_a_code(one: int, other: int) -> None:
    assert (CODES.code_of(one) == CODES.code_of(other)) == (one == other)


@given(ids)
def test_another_installation_knows_nothing_of_it(voucher_id: int) -> None:
    assert OTHERS.voucher_id_of(CODES.code_of(voucher_id)) is None


def test_codes_of_neighbours_have_nothing_in_common() -> None:
    codes = [CODES.code_of(voucher_id).replace("-", "") for voucher_id in range(1, 2_001)]
    same = sum(a == b for one, other in pairwise(codes) for a, b in zip(one, other, strict=True))
    assert same / (12 * len(codes)) == pytest.approx(1 / 32, abs=0.005)


@given(ids, st.integers(0, 11), st.sampled_from(LETTERS))
def test_every_wrong_letter_is_told(voucher_id: int, position: int, letter: str) -> None:
    letters = CODES.code_of(voucher_id).replace("-", "")
    wrong = letters[:position] + letter + letters[position + 1 :]
    assert is_mistyped(wrong) == (wrong != letters)


@given(ids, st.integers(0, 10))
def test_every_swap_of_neighbours_is_told(voucher_id: int, position: int) -> None:
    letters = CODES.code_of(voucher_id).replace("-", "")
    swapped = letters[:position] + letters[position + 1] + letters[position] + letters[position + 2 :]
    assert is_mistyped(swapped) == (swapped != letters)


@pytest.mark.proof
def test_no_made_up_code_is_accepted() -> None:
    draw, half = random.Random(1), at_size(10_000, 500_000)
    for _ in range(half):
        letters = "".join(draw.choices(LETTERS, k=11))
        assert CODES.voucher_id_of(letters + check_letter(letters)) is None
    for _ in range(half):
        good = CODES.code_of(draw.randrange(1, 1_000)).replace("-", "")
        position = draw.randrange(11)
        letters = good[:position] + draw.choice(LETTERS.replace(good[position], "")) + good[position + 1 : 11]
        assert CODES.voucher_id_of(letters + check_letter(letters)) is None


def test_typing_is_forgiven() -> None:
    code = next(code for code in map(CODES.code_of, range(1, 500)) if "0" in code and "1" in code)
    voucher_id = CODES.voucher_id_of(code)
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in code)
    spoken = code.replace("0", "o").replace("1", "l").lower()
    unseen = f"\ufeff{code[:5]}\u200b{code[5:]}\u200e"
    chat = f"【礼遇】券码：“{code.replace('-', '－')}”，请出示。"
    marks = [code.replace("-", mark) for mark in (" ", "", "\u00ad", "/", "・", "～", "\t")]
    for typed in (code.lower(), wide, spoken, unseen, chat, f"  {code}\r\n", f'"{code}"', *marks):
        assert CODES.voucher_id_of(typed) == voucher_id, typed
        assert not is_mistyped(typed)


@given(st.text(max_size=300))
def test_any_text_is_answered(text: str) -> None:
    assert CODES.voucher_id_of(text) is None
    assert isinstance(is_mistyped(text), bool)


@pytest.mark.parametrize("voucher_id", [0, -1, HIGHEST_ID + 1])
def test_an_id_beyond_the_code_is_an_error(voucher_id: int) -> None:
    with pytest.raises(ValueError, match="cannot be the id"):
        CODES.code_of(voucher_id)


def test_a_masked_code_keeps_its_end_alone() -> None:
    assert mask_code("7K3M-P9QX-4TRD") == "****-****-4TRD"


@given(st.integers(0, 2**55 - 1))
def test_the_disguise_is_a_permutation(number: int) -> None:
    disguise = Disguise(b"k" * 32)
    found = disguise.find(number)
    assert found is None or disguise.hide(found) == number
