"""Where the mall's memory lives: one for each application, made at its first use."""

from dataclasses import dataclass, field

from liyu.web.mall.page_cache import CardCache, OwnCache, PageCache
from liyu.web.visit import AnyConnection


@dataclass(slots=True)
class Ready:
    """What is kept ready for pages of the mall."""

    pages: PageCache = field(default_factory=PageCache)
    cards: CardCache = field(default_factory=CardCache)
    own: OwnCache = field(default_factory=OwnCache)


def ready_of(connection: AnyConnection) -> Ready:
    """The memory of this application."""
    state = connection.app.state
    ready: Ready | None = state.get("mall")
    if ready is None:
        ready = state["mall"] = Ready()
    return ready
