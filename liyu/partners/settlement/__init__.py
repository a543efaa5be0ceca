"""Settlement: payables accrued at verification, statements as a pure function of terms and entries, payouts by four eyes."""
