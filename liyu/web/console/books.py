"""The books: whether they balance, what every account says, and what each of them is made of."""

from datetime import date

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.database import driver_connection
from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.core.ledger.posting import system_accounts
from liyu.core.ledger.prove import latest_proofs
from liyu.core.ledger.totals import AccountFigure, account_figures
from liyu.members.points.queries import moves_of_account
from liyu.redemption.books import prove_books
from liyu.web.actor import require_permission
from liyu.web.audit import record_act
from liyu.web.console import ledger_words
from liyu.web.console.common import AnyRequest, cursor_links, name_people, now_of, read_cursor, read_text, show
from liyu.web.formats import current_zone
from liyu.web.pages import Page, leave_notice, redirect

HELD_BY = {
    "member_points": "/console/members", "member_pending": "/console/members", "member_debt": "/console/members",
    "partner_payable": "/console/partners",
}  # fmt: skip
"""Where the owners of the accounts are that are not the program's own."""
COUNTED_DOWN = {
    "points_issued", "points_opening", "points_adjusted", "points_compensation", "points_gifts", "member_debt",
    "rights_cost", "bank", "payments_received",
}  # fmt: skip
"""Accounts that people expect to count up where the ledger counts down: what members were given, what is at the bank."""


@get("/books", guards=[require_permission("books.read")])
async def show_books(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The last proofs and the figures of all accounts."""
    connection = await driver_connection(session)
    proofs = await latest_proofs(session)
    figures = sorted(await account_figures(connection), key=_order)
    return show(
        request,
        "books",
        proofs=proofs,
        last=proofs[0] if proofs else None,
        units=_by_unit(figures),
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
    connection = await driver_connection(session)
    if kind not in await system_accounts(connection):
        raise NotFoundError
    month = _month_of(request)
    before = read_cursor(request)
    moves, cursor = await moves_of_account(connection, kind, zone=current_zone(), before=before, month=month)
    return show(
        request,
        "account",
        kind=kind,
        sign=-1 if kind in COUNTED_DOWN else 1,
        title=ledger_words.account(kind),
        month=month,
        moves=moves,
        names=await name_people(connection, [move.actor for move in moves]),
        **cursor_links(request, cursor),
    )


def _order(figure: AccountFigure) -> tuple[int, str]:
    """Accounts as their words are listed: the program's, then what members hold, then money."""
    kinds = list(ledger_words.ACCOUNTS)
    return (kinds.index(figure.kind) if figure.kind in kinds else len(kinds)), figure.unit


def _by_unit(figures: list[AccountFigure]) -> list[dict[str, object]]:
    """The accounts of each unit, points first, with what came in and went out of all of them: the same, if the books balance."""
    return [
        {
            "unit": unit,
            "rows": [_account_row(one) for one in figures if one.unit == unit],
            "came": sum(one.came for one in figures if one.unit == unit),
            "went": sum(one.went for one in figures if one.unit == unit),
        }
        for unit in sorted({one.unit for one in figures}, key=lambda unit: (unit != "PTS", unit))
    ]


def _account_row(figure: AccountFigure) -> dict[str, object]:
    """An account with the sign that people expect."""
    return {
        "label": ledger_words.account(figure.kind),
        "figure": figure,
        "shown": -figure.balance if figure.kind in COUNTED_DOWN else figure.balance,
        "href": HELD_BY.get(figure.kind, f"/console/books/{figure.kind}"),
    }


def _month_of(request: AnyRequest) -> date | None:
    try:
        return date.fromisoformat(f"{read_text(request, 'month', 7)}-01")
    except ValueError:
        return None


ROUTES = [show_books, prove, show_account]
