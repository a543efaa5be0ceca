"""The wallet's own QR code: the till scans it once and lists which of the member's vouchers it may take."""

from litestar import get

from liyu.vouchers.qr import draw_qr
from liyu.vouchers.wallet_code import WalletCodes
from liyu.web.actor import actor_of
from liyu.web.mall.member import AnyRequest, member_id_of, now_of
from liyu.web.mall.wallet import RENEW_SECONDS
from liyu.web.pages import Page, fragment, page
from liyu.web.visit import visit_of


@get("/wallet/code")
async def show_wallet_code(request: AnyRequest) -> Page:
    """The code, as it is shown at the till."""
    return page(request, "mall/wallet_code.html", tab="wallet", qr=_draw(request), seconds=RENEW_SECONDS)


@get("/wallet/code/qr")
async def renew_wallet_code(request: AnyRequest) -> Page:
    """The code anew."""
    return fragment(request, "mall/_wallet_qr.html", qr=_draw(request), seconds=RENEW_SECONDS)


def _draw(request: AnyRequest) -> str:
    codes = WalletCodes(visit_of(request).services.settings.secret_key)
    return draw_qr(codes.write(member_id_of(actor_of(request)), now_of(request)))


ROUTES = [show_wallet_code, renew_wallet_code]
