"""Which entry of the navigation a page belongs to."""

import pytest

from liyu.core.access.models import OPERATOR, PARTNER
from liyu.web.i18n import load_catalogs
from liyu.web.navigation import PLACES, navigation_for


@pytest.mark.parametrize(
    ("audience", "path", "entry"),
    [
        (OPERATOR, "/console", "/console"),
        (OPERATOR, "/console/points", "/console/points"),
        (OPERATOR, "/console/points/expiry/2027", "/console/points/expiry"),
        (OPERATOR, "/console/voucher-rules", "/console/vouchers"),
        (OPERATOR, "/console/stores/LUCKIN-SH01", "/console/partners"),
        (OPERATOR, "/console/account/security", None),
        (PARTNER, "/partner/verifications/12/undo", "/partner/orders"),
        (PARTNER, "/partner/bills/3", "/partner/verify"),
        (PARTNER, "/partner/till", "/partner/verify"),
    ],
)
def test_a_page_marks_the_entry_that_it_belongs_to(audience: str, path: str, entry: str | None) -> None:
    load_catalogs()
    everything = frozenset(place.permission for _, places in PLACES[audience] for place in places)
    groups = navigation_for(audience, everything, path, "en")
    marked = [one.href for group in groups for one in group.entries if one.current]
    assert marked == ([entry] if entry else [])
