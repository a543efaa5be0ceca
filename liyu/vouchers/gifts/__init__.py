"""Gifts 转赠: a voucher that changes hands by a link, which is good once (docs/algorithms/gifts.md)."""
