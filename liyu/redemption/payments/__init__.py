"""Points + cash: holds with a deadline, the payments that capture them, and money that goes back (docs/algorithms/payments.md)."""
