"""The mall: what members see."""
