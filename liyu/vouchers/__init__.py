"""Vouchers 券: unguessable codes, issue, verification at the till, undo, QR and PDF."""
