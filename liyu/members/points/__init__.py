"""The points account: lots by funder and expiry, earning by rule, clawback into debt, lapse (DESIGN §2 rules 1-5)."""
