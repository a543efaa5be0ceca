"""One site for all tests of a process: what a test changes is its installation's, and routes take long to make."""

from functools import cache

from litestar import Litestar

from liyu.core.clock import FixedClock
from liyu.core.settings import Settings
from liyu.web.app import make_site

site_for = cache(make_site)


def install(settings: Settings, clock: FixedClock) -> Litestar:
    """The application over the test's own installation; one at a time."""
    return site_for(is_development=settings.is_development).install(settings, clock)
