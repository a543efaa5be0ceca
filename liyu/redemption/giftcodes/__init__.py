"""Gift codes 礼品码: numbered codes on cards or in letters, which a member types in for an item or points."""
