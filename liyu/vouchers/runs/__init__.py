"""Numbered print runs for campaigns: made, printed, activated and withdrawn by ranges of numbers, put into wallets."""
