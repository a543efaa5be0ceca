"""How the winners of a draw are found: ten lines that anybody can run, printed in `docs/algorithms/draws.md` and in the mall."""

import inspect
from functools import lru_cache
from hashlib import sha256

Entries = list[tuple[str, str, int]]
"""The published list: the code of an entry, the code of the person behind it, and how many tickets the entry has."""


# fmt: off
def draw_order(seed: str, entries: list[tuple[str, str, int]]) -> list[str]:
    """The codes of the entries in the order in which they are drawn, one for each person: the first N get the N prizes."""
    listed = "".join(f"{code},{person},{tickets}\n" for code, person, tickets in sorted(entries))
    key = seed + sha256(listed.encode()).hexdigest()
    scored = [
        (min(sha256(f"{key},{code},{ticket}".encode()).hexdigest() for ticket in range(tickets)), person, code)
        for code, person, tickets in entries]
    best: dict[str, str] = {}
    for _, person, code in sorted(scored):
        best.setdefault(person, code)
    return list(best.values())
# fmt: on


def list_file(entries: Entries) -> str:
    """The published list as a file: the lines that are hashed, in their order, and nothing else."""
    return "".join(f"{code},{person},{tickets}\n" for code, person, tickets in sorted(entries))


def hash_list(entries: Entries) -> str:
    """The hash of the list that is published before the seed is revealed: that of the file, in hexadecimal."""
    return sha256(list_file(entries).encode()).hexdigest()


def commitment_to(seed: str) -> str:
    """What is published of a seed beforehand: its SHA-256, in hexadecimal. Nobody can find another seed for it."""
    return sha256(seed.encode()).hexdigest()


@lru_cache(maxsize=1)
def ten_lines() -> str:
    """The algorithm as it stands in the code, to be shown."""
    return "from hashlib import sha256\n\n" + inspect.getsource(draw_order)
