"""The points account: lots by funder and expiry, earning by rule, clawback into debt, lapse (docs/rules.md 1-5)."""
