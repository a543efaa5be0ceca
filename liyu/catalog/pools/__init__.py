"""Pools of third-party codes: imported, kept encrypted, revealed to their owner, watched, recalled and replaced."""
