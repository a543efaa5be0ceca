"""The books: whether they balance, what every account says, and what each of them is made of."""

from datetime import date, datetime

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import start_of_day
from liyu.core.database import driver_connection
from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.core.ledger.models import SYSTEM_ACCOUNTS
from liyu.core.ledger.prove import latest_proofs
from liyu.members.points.lots import add_months
from liyu.members.points.queries import AccountFigure, account_figures, moves_of_account
from liyu.redemption.books import prove_books
from liyu.web.actor import require_permission
from liyu.web.audit import record_act
from liyu.web.console import ledger_words
from liyu.web.console.common import AnyRequest, cursor_links, name_people, now_of, read_cursor, read_text, show
from liyu.web.formats import current_zone
from liyu.web.pages import Page, leave_notice, redirect

HELD = {"member_points": "/console/members", "member_pending": "/console/members", "member_debt": "/console/members"}
POINTS_ORDER = (
    "points_issued", "points_redeemed", "points_lapsed", "points_clawed_back", "points_adjusted", "points_compensation",
    "points_extended",
    "member_points", "member_pending", "member_debt",
)  # fmt: skip
MONEY_ORDER = ("rights_cost", "partner_payable", "bank")


@get("/books", guards=[require_permission("books.read")])
async def show_books(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The last proofs and the figures of all accounts."""
    connection = await driver_connection(session)
    proofs = await latest_proofs(session)
    figures = await account_figures(connection)
    return show(
        request,
        "books",
        proofs=proofs,
        last=proofs[0] if proofs else None,
        points=[_account_row(figures[kind]) for kind in POINTS_ORDER if kind in figures],
        money=[_account_row(figures[kind]) for kind in MONEY_ORDER if kind in figures],
    )


@post("/books/prove", guards=[require_permission("books.prove")])
async def prove(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Prove the books now, in one snapshot of the database."""
    result = await prove_books(await driver_connection(session), now_of(request))
    after = {"balanced": result.balanced, "offenders": len(result.offenders), "transfers": result.transfers}
    await record_act(request, session, "books.prove", "books:all", after=after)
    if result.balanced:
        leave_notice(request, N_("The books balance."))
    else:
        leave_notice(request, N_("The books do not balance."), "error")
    return redirect(request, "/console/books")


@get("/books/{kind:str}", guards=[require_permission("books.read")])
async def show_account(request: AnyRequest, session: NamedDependency[AsyncSession], kind: FromPath[str]) -> Page:
    """The transfers of one system account, of one month or of all time."""
    if kind not in SYSTEM_ACCOUNTS:
        raise NotFoundError
    connection = await driver_connection(session)
    month = _month_of(request)
    moves, cursor = await moves_of_account(
        connection, kind, before=read_cursor(request), bounds=_bounds(month) if month else None
    )
    return show(
        request,
        "account",
        kind=kind,
        title=ledger_words.account(kind),
        month=month,
        moves=moves,
        names=await name_people(connection, [move.actor for move in moves]),
        **cursor_links(request, cursor),
    )


def _account_row(figure: AccountFigure) -> dict[str, object]:
    """An account with the sign that people expect: what was issued or owed to partners counts up."""
    shown = (
        -figure.balance if figure.kind in ("points_issued", "member_debt", "rights_cost", "bank") else figure.balance
    )
    href = (
        f"/console/books/{figure.kind}"
        if figure.kind in SYSTEM_ACCOUNTS
        else HELD.get(figure.kind, "/console/partners")
    )
    return {"label": ledger_words.account(figure.kind), "figure": figure, "shown": shown, "href": href}


def _month_of(request: AnyRequest) -> date | None:
    try:
        return date.fromisoformat(f"{read_text(request, 'month', 7)}-01")
    except ValueError:
        return None


def _bounds(month: date) -> tuple[datetime, datetime]:
    zone = current_zone()
    return start_of_day(month, zone), start_of_day(add_months(month, 1), zone)


ROUTES = [show_books, prove, show_account]
