"""Tiers 等级: how members rise, keep their tier and fall, and why."""
