"""How far the long proofs go: a share of the way in every run, all of it in `make prove`."""

import os

FULL = os.environ.get("LIYU_TEST_PROOF") == "full"


def at_size(short: int, full: int) -> int:
    """How many of something this run tries. The short form can fail too: it is less likely to find what is rare."""
    return full if FULL else short
