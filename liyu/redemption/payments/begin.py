"""Beginning to pay: what the provider needs is made outside of any transaction, and remembered before the member gets there."""

from datetime import datetime

from liyu.core.database import Sessions, driver_connection, unit_of_work
from liyu.redemption.payments.errors import NotPayableError
from liyu.redemption.payments.holds import Hold, find_hold, note_begun
from liyu.redemption.payments.provider import REDIRECT_WAYS, Provider, Wish


async def begin_payment(
    sessions: Sessions, provider: Provider, number: str, way: str, *, member_id: int, site: str, now: datetime
) -> str:
    """The address at which a member pays the cash part of an order of theirs; `way` is one of `provider.WAYS`.

    Raises NotPayableError, ProviderRefusedError or ProviderUnreachableError.
    """
    async with unit_of_work(sessions) as session:
        hold = await find_hold(await driver_connection(session), number, member_id)
    if hold is None or not hold.waits(now):
        raise NotPayableError
    wish = Wish(hold.number, hold.amount_minor, hold.currency, f"{hold.name_zh} · {hold.name_en}")
    back = f"{site}/redemptions/{number}/paid"
    if way in REDIRECT_WAYS:
        intent_id = hold.intent_id or await provider.make_intent(wish)
        await _remember(sessions, hold, intent_id=intent_id)
        return await provider.confirm(intent_id, way, back)
    checkout_id, address = await provider.open_checkout(wish, back, f"{site}/redemptions/{number}/pay")
    await _remember(sessions, hold, checkout_id=checkout_id)
    return address


async def _remember(
    sessions: Sessions, hold: Hold, *, intent_id: str | None = None, checkout_id: str | None = None
) -> None:
    async with unit_of_work(sessions) as session:
        await note_begun(await driver_connection(session), hold.id, intent_id=intent_id, checkout_id=checkout_id)
