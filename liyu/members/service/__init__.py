"""What member service 客服 does with members: merging two, notes, adjustments that two people make, finding somebody."""
