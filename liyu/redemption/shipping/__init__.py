"""Parcels: carriers as data, what is to be sent, what was sent, batches by file, what has arrived (docs/algorithms/orders.md)."""
