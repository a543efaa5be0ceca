"""The home page: what matters to this person now, and what there is."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from litestar import get
from markupsafe import Markup
from msgspec import Struct

from liyu.catalog.availability import check_availability
from liyu.catalog.snapshot import RECOMMENDED, Snapshot
from liyu.catalog.storefront import SectionView, Storefront
from liyu.catalog.views import ItemView
from liyu.core.i18n import N_
from liyu.members.account import MemberAccount
from liyu.web.i18n import current_locale, gettext
from liyu.web.mall.cards import Shelf, show_at_once
from liyu.web.mall.live import live_skus
from liyu.web.mall.member import AnyRequest, facts_of, lapsing_next, now_of, own_account, today_of
from liyu.web.mall.page_cache import is_undisturbed, slot
from liyu.web.mall.ready import ready_of
from liyu.web.mall.words import OTHER_SCENE, SCENES
from liyu.web.pages import Page, page
from liyu.web.pictures import address_of
from liyu.web.shortcut import SHORTCUT
from liyu.web.visit import visit_of

MOST_DROPS = 6
DROPS_IN_SIGHT = 2
MOST_FITTING = 8
FITTING_OF_A_SCENE = 2
LOOKED_THROUGH = 400
"""Items that are looked through for those a member can have; a page must not cost more with a larger catalog."""
SCENE_SECTIONS = 4
ITEMS_OF_A_SCENE = 4


@get("/", opt={SHORTCUT: True})
async def show_home(request: AnyRequest) -> Page:
    """A guest's home page comes from memory; so does the frame of a member's, whose account came with their session."""
    visit, pages = visit_of(request), ready_of(request).pages
    snapshot = visit.services.catalog.snapshot
    pages.follow(visit.services.storefront.current.version)
    account = own_account(request)
    home = _Home(request, snapshot, account)
    if not is_undisturbed(visit):
        return home.page()
    if account is None:
        return pages.answer(request, snapshot, home.page)
    return pages.answer(request, snapshot, lambda: home.page(framed=True), home.remembered_parts)


class Section(Struct, frozen=True):
    """A row of the home page; its label is said in the language of whoever looks."""

    says: dict[str, str]
    href: str
    items: tuple[ItemView, ...]

    @property
    def label(self) -> str:
        """The words above the row."""
        if "scene" in self.says:
            return scene_label(self.says["scene"])
        if "newest" in self.says:
            return gettext(N_("Just in"))
        return (self.says["en"] if current_locale() == "en" else "") or self.says["zh"]


class _Home:
    """The home page: what is everybody's, and what is the reader's own."""

    def __init__(self, request: AnyRequest, snapshot: Snapshot, account: MemberAccount | None) -> None:
        self.request = request
        self.snapshot = snapshot
        self.account = account
        self.now = now_of(request)
        self.member = facts_of(account) if account else None
        self.shelf = Shelf(request, snapshot, self.member)
        self.environment = self.shelf.environment
        self.cache = self.shelf.cache
        self.front = visit_of(request).services.storefront.current
        self.sections: list[Section] = self.cache.get(
            snapshot.version,
            ("sections of the home page", self.front.version),
            lambda: list(_curated_sections(self.front, snapshot)) or list(_choose_sections(snapshot)),
        )

    def page(self, *, framed: bool = False) -> Page:
        """The whole page, with the reader's own parts or, framed, with slots for them."""
        own = {"card": slot("card"), "fitting": slot("fitting")} if framed else self.own_parts()
        drops = self._drops()
        return page(
            self.request,
            "mall/home.html",
            tab="home",
            card=Markup(own["card"]),  # noqa: S704 - a template's output
            fitting=Markup(own["fitting"]),  # noqa: S704 - a template's output
            scenes=scene_links(self.snapshot),
            drops=show_at_once(self.shelf.drop_frames(drops) if framed else self.shelf.drops(drops), DROPS_IN_SIGHT),
            live=live_skus(drops, self.snapshot),
            banners=[
                {"banner": one, "picture": address_of(one.digest) if one.digest else None}
                for one in self.front.banners
                if one.is_shown(self.now)
            ],
            sections=[
                {
                    "label": section.label,
                    "href": section.href,
                    "cards": self.shelf.frames(section.items) if framed else self.shelf.cards(section.items),
                }
                for section in self.sections
            ],
        )

    def own_parts(self) -> dict[str, str]:
        """What is the reader's own: the wallet card, what they can have, and what other cards say to them."""
        return {"card": self._card(), **self._offers()}

    def remembered_parts(self) -> dict[str, bytes]:
        """The same from memory, as long as nothing has changed that it depends on."""
        account, member, ready, today = self.account, self.member, ready_of(self.request), today_of(self.request)
        assert account is not None
        assert member is not None
        card = (
            account.balance,
            account.debt,
            account.growth,
            (account.tier_zh, account.tier_en),
            (account.next_zh, account.next_en, account.next_threshold),
            lapsing_next(account, today),
            current_locale(),
        )
        offers = (
            member.state,
            member.tier_rank,
            # Points beyond the dearest item change nothing: members who can afford everything are told the same.
            min(member.usable, self._dearest(member.tier_rank)),
            member.city,
            member.tag_ids,
            today,
            self.snapshot.edges_passed(self.now),
            self.front.version,
            self.snapshot.version,
            self.snapshot.stock_version,
            current_locale(),
        )
        return {
            **ready.wallets.get(card, lambda: {"card": self._card()}),
            **ready.offers.get(offers, self._offers),
            **{name: card.encode() for name, card in self.shelf.own_drops(self._drops()).items()},
        }

    def _drops(self) -> list[ItemView]:
        """The drops on the page: open ones, then those to come."""
        snapshot, now = self.snapshot, self.now
        key = ("drops of the home page", snapshot.stock_version, snapshot.edges_passed(now))
        drops: list[ItemView] = self.cache.get(
            snapshot.version, key, lambda: [*snapshot.live_drops(now), *snapshot.coming_drops(now)][:MOST_DROPS]
        )
        return drops

    def _offers(self) -> dict[str, str]:
        parts = {"fitting": self._fitting()}
        if self.member is not None:
            parts |= self.shelf.own_parts(item for section in self.sections for item in section.items)
        return parts

    def _dearest(self, tier_rank: int) -> int:
        """The highest price of all items that may stand on the page, for members of a tier."""

        def find() -> int:
            shown = (item for section in self.sections for item in section.items)
            return max((item.price_for(tier_rank) for item in (*looked_through(self.snapshot), *shown)), default=0)

        key = ("dearest of the home page", self.front.version, tier_rank)
        found: int = self.cache.get(self.snapshot.version, key, find)
        return found

    def _card(self) -> str:
        account, today = self.account, today_of(self.request)
        lapsing = lapsing_next(account, today) if account else None
        card: str = self.environment.get_template("mall/_home_card.html").render(account=account, lapsing=lapsing)
        return card

    def _fitting(self) -> str:
        items, fits = choose_fitting(self.shelf)
        key = ("head of what fits", fits, self.account is None, current_locale())
        template = self.environment.get_template("mall/_fitting_head.html")
        head = self.cache.get(self.snapshot.version, key, lambda: template.render(account=self.account, fits=fits))
        return f'{head}<div class="item-grid">{"".join(self.shelf.cards(items))}</div>' if items else ""


def choose_fitting(shelf: Shelf) -> tuple[list[ItemView], bool]:
    """What the reader can have at once; for guests what was taken most; and whether the reader can have it."""
    snapshot, member = shelf.snapshot, shelf.member
    looked_at = looked_through(snapshot)

    def is_open(item: ItemView) -> bool:
        at_hand = snapshot.at_hand(item)
        stock = snapshot.stock_of(at_hand)
        return not check_availability(at_hand, stock, member, shelf.now, payments_available=shelf.takes_payments)

    if member is None:
        open_items = [item for item in looked_at if is_open(item)]
        return list(
            islice(_mix_scenes(sorted(open_items, key=lambda item: -snapshot.stock_of(item).taken)), MOST_FITTING)
        ), False
    fitting = (item for item in looked_at if item.price_for(member.tier_rank) <= member.usable and is_open(item))
    found = list(islice(_mix_scenes(fitting), MOST_FITTING))
    if found:
        return found, True
    cheapest = (
        item for item in snapshot.lists.ordered("points_up") if not snapshot.stock_of(snapshot.at_hand(item)).is_gone
    )
    return list(islice(cheapest, MOST_FITTING)), False


def looked_through(snapshot: Snapshot) -> tuple[ItemView, ...]:
    """The first of all items, as recommended."""
    memory = snapshot.lists.memory
    found: tuple[ItemView, ...] | None = memory.get(LOOKED_THROUGH)
    if found is None:
        found = memory[LOOKED_THROUGH] = tuple(snapshot.items[:LOOKED_THROUGH])
    return found


def _mix_scenes(items: Iterable[ItemView]) -> Iterator[ItemView]:
    """A few items of each scene first, then the others: eight kinds of coffee make no mall."""
    given: Counter[str] = Counter()
    others = []
    for item in items:
        given[item.scene] += 1
        if given[item.scene] <= FITTING_OF_A_SCENE:
            yield item
        else:
            others.append(item)
    yield from others


def scene_links(snapshot: Snapshot) -> list[dict[str, str]]:
    """The scenes that have items, in the order of the house."""
    counts = snapshot.lists.count("scene")
    return [
        {"label": gettext(label), "icon": icon, "href": f"/items?scene={scene}"}
        for scene, (label, icon) in SCENES.items()
        if counts.get(scene)
    ]


def scene_label(scene: str) -> str:
    """The name of a scene in the language that is spoken."""
    return gettext(SCENES.get(scene, OTHER_SCENE)[0])


def _curated_sections(front: Storefront, snapshot: Snapshot) -> Iterator[Section]:
    """The rows that operators chose, those without items left out."""
    for chosen in front.sections:
        section = _curated_section(front, chosen, snapshot)
        if section is not None and section.items:
            yield section


def _curated_section(front: Storefront, chosen: SectionView, snapshot: Snapshot) -> Section | None:
    match chosen.kind:
        case "scene" if chosen.scene is not None:
            items = tuple(islice(snapshot.lists.filtered("scene", chosen.scene, RECOMMENDED), chosen.most))
            return Section({"scene": chosen.scene}, f"/items?scene={chosen.scene}", items)
        case "newest":
            items = tuple(islice(snapshot.lists.ordered("newest"), chosen.most))
            return Section({"newest": ""}, "/items?sort=newest", items)
    collection = front.collection_of(chosen)
    if collection is None:
        return None
    listed = (snapshot.by_id.get(item_id) for item_id in collection.items)
    items = tuple(
        islice((item for item in listed if item is not None and item.is_shown(snapshot.made_at)), chosen.most)
    )
    return Section({"zh": collection.title_zh, "en": collection.title_en}, f"/collections/{collection.code}", items)


def _choose_sections(snapshot: Snapshot) -> Iterator[Section]:
    """A few items of the fullest scenes, those left out that stand at the top of every list."""
    counts, top = snapshot.lists.count("scene"), set(snapshot.items[:MOST_FITTING])
    for scene in sorted((scene for scene in SCENES if counts.get(scene)), key=lambda scene: -counts[scene])[
        :SCENE_SECTIONS
    ]:
        shelf = snapshot.lists.filtered("scene", scene, RECOMMENDED)
        items = tuple(islice((item for item in shelf if item not in top), ITEMS_OF_A_SCENE))
        if items:
            yield Section({"scene": scene}, f"/items?scene={scene}", items)
