"""Redemption: the desk that decides requests in batches, and the orders that come of them."""
