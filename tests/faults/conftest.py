"""What is proven at full size only."""

from tests.proofs import FULL

collect_ignore = [] if FULL else ["test_drop_rush.py"]
