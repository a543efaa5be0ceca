"""Tills without a network: devices, what they may take on their own, and what became of it."""
