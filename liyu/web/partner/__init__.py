"""The vendor portal: what partner staff see."""
