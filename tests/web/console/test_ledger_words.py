"""Nothing of the ledger is shown by its name in the code."""

from liyu.core.ledger.models import SYSTEM_ACCOUNTS
from liyu.redemption.books import CHECKS
from liyu.web.console import ledger_words


def test_every_account_and_every_check_has_words() -> None:
    assert set(SYSTEM_ACCOUNTS) <= set(ledger_words.ACCOUNTS)
    assert set(CHECKS) <= set(ledger_words.CHECKS)
