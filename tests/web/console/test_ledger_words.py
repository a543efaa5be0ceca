"""Nothing of the ledger is shown by its name in the code."""

import pytest

from liyu.core.ledger.models import SYSTEM_ACCOUNTS
from liyu.redemption.books import CHECKS
from liyu.web.console import ledger_words


def test_every_account_and_every_check_has_words() -> None:
    assert set(SYSTEM_ACCOUNTS) <= set(ledger_words.ACCOUNTS)
    assert set(CHECKS) <= set(ledger_words.CHECKS)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("verification:22", "#22"),
        ("import:3", "#3"),
        ("gift_code:1:40", "#40"),
        ("adjust:9f2c41d0", ""),
        ("member:7", ""),
        ("purchase:A-1001", "A-1001"),
        ("R40739528166490", "R40739528166490"),
    ],
)
def test_what_a_movement_refers_to_is_said_without_names_of_the_code(source: str, shown: str) -> None:
    assert ledger_words.reference(source) == shown
