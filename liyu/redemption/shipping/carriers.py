"""Carriers that deliver in China: how their tracking numbers look, and where a parcel can be followed.

The patterns are those of their waybills of today and of the years before; what fits none is a slip of the pen.
"""

import re
import unicodedata

from msgspec import Struct

TRACKING_PAGE = "https://www.kuaidi100.com/chaxun?com={page}&nu={number}"
"""One page that follows parcels of all carriers without a login; the carriers' own ask for a phone number or a riddle."""


class Carrier(Struct, frozen=True):
    """A carrier; `page` is its name on the page that follows parcels."""

    code: str
    name_zh: str
    name_en: str
    pattern: re.Pattern[str]
    example: str
    page: str
    names: tuple[str, ...] = ()

    def follows(self, number: str) -> str:
        """The address at which a parcel can be followed."""
        return TRACKING_PAGE.format(page=self.page, number=number)


CARRIERS: dict[str, Carrier] = {
    one.code: one
    for one in (
        Carrier(
            "SF",
            "顺丰速运",
            "SF Express",
            re.compile(r"SF\d{13}|\d{12}|\d{15}"),
            "SF1234567890123",
            "shunfeng",
            ("顺丰",),
        ),
        Carrier(
            "ZTO",
            "中通快递",
            "ZTO Express",
            re.compile(r"7[3-9]\d{12}|\d{12}"),
            "75312345678901",
            "zhongtong",
            ("中通",),
        ),
        Carrier(
            "YTO",
            "圆通速递",
            "YTO Express",
            re.compile(r"YT\d{13}|[A-Z]\d{9}|[A-Z]{2}\d{8}|[A-Z]{2}\d{10}|[6-9]\d{17}"),
            "YT1234567890123",
            "yuantong",
            ("圆通",),
        ),
        Carrier(
            "STO",
            "申通快递",
            "STO Express",
            re.compile(r"77\d{13}|STO\d{10}|\d{12,13}"),
            "773123456789012",
            "shentong",
            ("申通",),
        ),
        Carrier(
            "YUNDA",
            "韵达速递",
            "Yunda Express",
            re.compile(r"[34]\d{14}|\d{13}"),
            "463123456789012",
            "yunda",
            ("韵达",),
        ),
        Carrier(
            "EMS",
            "中国邮政 EMS",
            "EMS",
            re.compile(r"[A-Z]{2}\d{9}CN|1[0-2]\d{11}|9[0-9]\d{11}"),
            "1234567890123",
            "ems",
            ("邮政", "中国邮政"),
        ),
        Carrier(
            "JD",
            "京东快递",
            "JD Logistics",
            re.compile(r"JD[A-Z]{0,2}\d{11,13}(?:-\d+-\d+-?)?"),
            "JDVA12345678901",
            "jd",
            ("京东", "京东物流"),
        ),
    )
}


def tidy_tracking_number(text: str) -> str:
    """A tracking number as carriers write it: full-width digits, spaces and small letters are how people type."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).upper()


def find_carrier(text: str) -> Carrier | None:
    """The carrier that a text names by code or by name in either language; None when nobody knows it."""
    wanted = unicodedata.normalize("NFKC", text).strip().casefold()
    for one in CARRIERS.values():
        if wanted in {name.casefold() for name in (one.code, one.name_zh, one.name_en, *one.names)}:
            return one
    return None
