"""The one append-only double-entry ledger: points (`PTS`) and partner money (ISO currencies) side by side (DESIGN §2, §5)."""
