"""Draws 抽签: entries are collected, a seed that was committed to before is revealed, and anybody can recompute who won."""
