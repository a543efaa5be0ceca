"""Where the mall's memory lives: one for each application, made at its first use."""

from dataclasses import dataclass, field

from liyu.web.mall.page_cache import CardCache, OwnCache, PageCache
from liyu.web.visit import AnyConnection

MOST_WALLETS = 4_096
MOST_OFFERS = 256


@dataclass(slots=True)
class Ready:
    """What is kept ready for pages of the mall."""

    pages: PageCache = field(default_factory=PageCache)
    cards: CardCache = field(default_factory=CardCache)
    drops: PageCache = field(default_factory=PageCache)
    """The pages of drops, which follow the board of drops."""
    wallets: OwnCache = field(default_factory=lambda: OwnCache(MOST_WALLETS))
    """The card with a member's figures, by the figures."""
    offers: OwnCache = field(default_factory=lambda: OwnCache(MOST_OFFERS))
    """What members with the same means and rights can have."""


def ready_of(connection: AnyConnection) -> Ready:
    """The memory of this application."""
    state = connection.app.state
    ready: Ready | None = state.get("mall")
    if ready is None:
        ready = state["mall"] = Ready()
    return ready
