"""Top-ups: orders that another system carries out, told by signed webhook (docs/algorithms/orders.md)."""
