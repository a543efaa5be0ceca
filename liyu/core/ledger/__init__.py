"""The one append-only double-entry ledger: points (`PTS`) and partner money (ISO currencies); see docs/algorithms/ledger.md."""
