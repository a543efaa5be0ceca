"""Paid membership 付费会员: a tier bought for a period, with a clear end (docs/algorithms/paid.md)."""
