"""The catalog: items of every kind, their prices, windows, stock and code pools, and the published snapshot."""
