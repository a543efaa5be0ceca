"""Campaigns 活动发放: one item for many members, for nothing: a list once, or everybody's birthday."""
