"""The import studio: files of members, opening balances, tiers and tags, from a dry run over the import to its undoing."""
