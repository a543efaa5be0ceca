"""Members: identity, tiers, and the points account with its lots, earning rules and expiry."""
