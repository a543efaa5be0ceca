"""Drops 限量抢兑: an announced rule for a limited item, its waves, and the list of those who wait (docs/algorithms/drops.md)."""
