"""Partner merchants 商户: companies, stores, agreements, what they are owed, and how they are settled with."""
