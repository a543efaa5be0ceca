"""Liyu 礼遇: a points mall and partner-rights marketplace."""
