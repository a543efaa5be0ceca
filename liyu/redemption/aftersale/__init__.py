"""After-sale: returns, refunds and exchanges that members ask for (docs/algorithms/orders.md)."""
