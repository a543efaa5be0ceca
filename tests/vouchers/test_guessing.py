"""Codes that are no voucher's: none is accepted, all get one answer, and the time it takes does not tell them apart.

The statistic of time: for each kind of wrong code, the probability that one of its kind took longer than one of another kind
(the area under the curve of Mann and Whitney), from verifications that were measured one by one in mixed order. It is ½ where
the time tells nothing. Tokens are compared among themselves: whoever made one knows its form.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

import pytest
from psycopg import AsyncConnection

from liyu.core import limits
from liyu.core.desk import CONNECTION_SETTINGS
from liyu.vouchers.alphabet import LETTERS, check_letter
from liyu.vouchers.errors import UnknownVoucherError
from liyu.vouchers.serials import serial_of
from liyu.vouchers.shown import VerifyRequest
from liyu.vouchers.tokens import Tokens
from liyu.vouchers.verify import settle
from tests.proofs import at_size
from tests.vouchers.tills import TOKENS, Shops, open_desk, open_shops
from tests.world import NOW, ZONE, World, open_world

GUESSES = at_size(2_000, 100_000)
TIMED = at_size(600, 20_000)
MOST_TOLD = 0.12
"""How far from ½ the statistic may be: more than three standard deviations of the short form, eighteen of the full one."""
MEASUREMENTS = 3
"""What tells codes apart does so each time; what else the machine does meanwhile does not."""
STRANGER = Tokens("another-secret-for-tests-" + "1" * 32)

Make = Callable[[random.Random, list[int]], str]


def random_code(draw: random.Random, vouchers: list[int]) -> str:
    """Well-formed, with the right check letter."""
    letters = "".join(draw.choices(LETTERS, k=11))
    return letters + check_letter(letters)


def mutated_code(draw: random.Random, vouchers: list[int]) -> str:
    """A voucher's, with some letters changed and a check letter that fits again."""
    letters = list(TOKENS.codes.code_of(draw.choice(vouchers)).replace("-", "")[:11])
    before = letters.copy()
    while letters == before:
        for place in draw.sample(range(11), draw.randint(1, 3)):
            letters[place] = draw.choice(LETTERS)
    return "".join(letters) + check_letter("".join(letters))


def mistyped_code(draw: random.Random, vouchers: list[int]) -> str:
    """A voucher's, with one letter changed."""
    letters = list(TOKENS.codes.code_of(draw.choice(vouchers)).replace("-", ""))
    place = draw.randrange(12)
    letters[place] = draw.choice([letter for letter in LETTERS if letter != letters[place]])
    return "".join(letters)


def code_of_nobody(draw: random.Random, vouchers: list[int]) -> str:
    """Made with our secret, of an id that no voucher has."""
    return TOKENS.codes.code_of(draw.randint(10**6, 10**9))


def code_of_before(draw: random.Random, vouchers: list[int]) -> str:
    """A voucher's, of a generation that is not its own."""
    return TOKENS.codes.code_of(serial_of(draw.choice(vouchers), draw.randint(1, 15)))


def strangers_token(draw: random.Random, vouchers: list[int]) -> str:
    """A wallet's token of another installation."""
    return STRANGER.dynamic_token(draw.choice(vouchers), NOW)


def changed_token(draw: random.Random, vouchers: list[int]) -> str:
    """A voucher's token with another last letter of its MAC."""
    token = TOKENS.dynamic_token(draw.choice(vouchers), NOW + timedelta(seconds=draw.randint(-600, 600)))
    return token[:-1] + draw.choice([letter for letter in LETTERS if letter != token[-1]])


CODES: list[Make] = [random_code, mutated_code, mistyped_code]
DYNAMIC: list[Make] = [strangers_token, changed_token]
SECRET: list[Make] = [code_of_nobody, code_of_before]
"""Made with the secret, or by whoever once held the voucher: the answer is the same, and a row that is found costs time."""


def probability_longer(one: list[float], other: list[float]) -> float:
    """How probable it is that a value of the first is larger than one of the second."""
    ranks = sorted([(value, True) for value in one] + [(value, False) for value in other])
    above = sum(rank for rank, (_, is_one) in enumerate(ranks) if is_one) - len(one) * (len(one) - 1) / 2
    return above / (len(one) * len(other))


async def measure(world: World, shops: Shops, wishes: list[tuple[Make, VerifyRequest]]) -> dict[Make, list[float]]:
    """The seconds that each refusal took, one after the other."""
    took: dict[Make, list[float]] = defaultdict(list)
    options = " ".join(f"-c {setting}" for setting in CONNECTION_SETTINGS)
    async with await AsyncConnection.connect(world.url, autocommit=True, options=options) as connection:
        for number, (make, wish) in enumerate(wishes):
            began = time.perf_counter()
            (outcome,) = await settle(
                connection, [wish], now=NOW, zone=ZONE, tokens=TOKENS, lines={}, on_used_up=None, whole=True
            )
            if number > 50:
                took[make].append(time.perf_counter() - began)
            assert type(outcome) is UnknownVoucherError
            assert outcome.reasons[0].details == {}
    return took


def told_apart(took: dict[Make, list[float]]) -> set[Make]:
    """The kinds of code whose refusals take longer or shorter than those of the others."""
    return {
        kind
        for kinds in (CODES, DYNAMIC)
        for kind in kinds
        if abs(
            probability_longer(took[kind], [one for other in kinds if other is not kind for one in took[other]]) - 0.5
        )
        >= MOST_TOLD
    }


@pytest.mark.proof
async def test_wrong_codes_are_all_the_same(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("verify_failure_key", "verify_failure_store", "verify_failure_all"):
        monkeypatch.setitem(limits.LIMITS, name, limits.Limit(10**9, 600))
    draw = random.Random(4)
    async with open_world(database_url) as world, open_desk(world) as desk:
        shops = await open_shops(world)
        vouchers = await shops.vouchers(40)

        def wish(make: Make) -> VerifyRequest:
            text = make(draw, vouchers)
            request = shops.request(0, text=text, partner=None, verifier="key:1")
            return VerifyRequest(
                text=text, store_code="SH1", nonce=request.nonce, verifier="key:1", partner_id=None,
                subjects=(("verify_failure_key", "key:1"),),
            )  # fmt: skip

        for _ in range(GUESSES // 100):
            guesses = [wish(draw.choice(CODES + DYNAMIC + SECRET)) for _ in range(100)]
            outcomes = await asyncio.gather(*(desk.verify(guess) for guess in guesses), return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {UnknownVoucherError}
        assert await world.one("SELECT count(*) FROM verification_refusal WHERE voucher_id IS NULL") == GUESSES
        assert await world.one("SELECT hits FROM rate_limit WHERE action = 'verify_failure_key'") == GUESSES
        assert await world.one("SELECT count(*) FROM verification") == 0
        told = {*CODES, *DYNAMIC}
        for _ in range(MEASUREMENTS):
            mixed = [(make, wish(make)) for make in draw.choices(CODES + DYNAMIC, k=TIMED)]
            told &= told_apart(await measure(world, shops, mixed))
    assert not told
