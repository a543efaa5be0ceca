"""The one append-only double-entry ledger: points (`PTS`) and partner money (ISO currencies) side by side (docs/algorithms/ledger.md)."""
