"""The wallet's own code: good for a minute, nobody else's, and telling nothing."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from liyu.vouchers.wallet_code import ShownWallet, WalletCodes
from tests.world import NOW

CODES, OTHERS = WalletCodes("a" * 40), WalletCodes("b" * 40)


@given(st.integers(1, 2**35 - 1), st.integers(-300, 300))
def test_a_wallet_code_is_stale_outside_of_its_minute(member: int, age: int) -> None:
    code = CODES.write(member, NOW)
    assert CODES.read(code.lower(), NOW + timedelta(seconds=age)) == ShownWallet(member, stale=not 0 <= age < 60)
    assert OTHERS.read(code, NOW) is None


def test_a_changed_code_is_nothing() -> None:
    code = CODES.write(5, NOW)
    for position in range(len(code)):
        changed = code[:position] + ("0" if code[position] != "0" else "1") + code[position + 1 :]
        assert CODES.read(changed, NOW) is None, position
    assert CODES.read(code + "0", NOW) is None
    assert CODES.read("M1", NOW) is None
    assert sum(a == b for a, b in zip(code, CODES.write(6, NOW), strict=True)) < 20
