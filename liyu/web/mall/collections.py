"""A collection of the mall: items that somebody picked, in their order."""

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from liyu.web.i18n import text_of
from liyu.web.mall.cards import Shelf
from liyu.web.mall.member import AnyRequest, facts_of, now_of, own_account
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of


@get("/collections/{code:str}")
async def show_collection(request: AnyRequest, code: FromPath[str]) -> Page:
    """Those of its items that are listed now."""
    services = visit_of(request).services
    collection = services.storefront.current.collections.get(code)
    if collection is None:
        raise NotFoundException
    snapshot, now = services.catalog.snapshot, now_of(request)
    account = own_account(request)
    shelf = Shelf(request, snapshot, facts_of(account) if account else None)
    items = [snapshot.by_id[item_id] for item_id in collection.items if item_id in snapshot.by_id]
    listed = [item for item in items if item.is_shown(now) and not item.is_ended(now)]
    return page(
        request,
        "mall/collection.html",
        tab="home",
        title=text_of(collection, "title"),
        intro=text_of(collection, "intro") if collection.intro_zh else "",
        cards=shelf.cards(listed),
    )


ROUTES = [show_collection]
