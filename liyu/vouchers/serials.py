"""The serial number that codes and QR codes carry: a voucher's id, and how often it has changed hands.

A voucher that changes hands gets the next generation. The number of every code that was made before is then no voucher's
any more, without a list of what was withdrawn: the database asks for id and generation together.
"""

GENERATION_BITS = 4
ID_BITS = 31
LAST_GENERATION = 2**GENERATION_BITS - 1
"""So often a voucher may change hands."""
HIGHEST_ID = 2**ID_BITS - 1


def serial_of(voucher_id: int, generation: int = 0) -> int:
    """The serial number of a voucher in a generation. Raises ValueError for what it has no room for."""
    if not 0 < voucher_id <= HIGHEST_ID or not 0 <= generation <= LAST_GENERATION:
        raise ValueError(f"no serial number for voucher {voucher_id} in generation {generation}")
    return generation << ID_BITS | voucher_id


def split_serial(serial: int) -> tuple[int, int]:
    """Id and generation of a serial number; the id 0, which no voucher has, for what nobody made."""
    return serial & HIGHEST_ID, serial >> ID_BITS
