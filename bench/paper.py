"""Voucher PDFs a second, each a file of its own, against bare WeasyPrint of the same pages with the system's Noto CJK font.

The ceiling sets each voucher's HTML anew in one process, as the plainest program would. `python -m bench.paper` prints both.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from statistics import median
from zoneinfo import ZoneInfo

import msgspec

from liyu.vouchers.facts import StoreFacts, VoucherFacts
from liyu.vouchers.pdf import PdfMaker
from liyu.vouchers.sheets import Sheet
from liyu.vouchers.tokens import Tokens
from liyu.web.i18n import load_catalogs, use_locale
from liyu.web.pages import make_environment
from liyu.web.paper import vouchers_to_sheets

FILES = 1_000
BARE_FILES = 26
TURNS = 2
PROCESSES = 2
AT_ONCE = 50
SINGLES = 20
SYSTEM_FONT = "Noto Sans CJK SC"
_MOMENT = datetime(2026, 11, 22, 4, tzinfo=UTC)


class Took(msgspec.Struct):
    """Files a second of both, and milliseconds of a single voucher with everything warm."""

    ours: float
    bare: float
    single: float


def measure(files: int = FILES) -> Took:
    """Ours and the bare one take turns. What ours needs once (processes, fonts) is ready; signing and QR codes are counted."""
    return asyncio.run(_measure(files))


async def _measure(files: int) -> Took:
    maker = PdfMaker(workers=PROCESSES)
    ours, bare = [], []
    try:
        await maker.warm_up()
        for turn in range(TURNS):
            bare.append(_set_bare(_make_sheets(turn * files, BARE_FILES)))
            started = time.perf_counter()
            sheets = _make_sheets(turn * files, files)
            chunks = [sheets[start : start + AT_ONCE] for start in range(0, files, AT_ONCE)]
            made = await asyncio.gather(*(maker.print_each(chunk) for chunk in chunks))
            ours.append(files / (time.perf_counter() - started))
            if sum(map(len, made)) != files:
                raise RuntimeError("files are missing")
        singles = [await _time_one(maker, number) for number in range(SINGLES)]
    finally:
        await asyncio.to_thread(maker.close)
    return Took(sum(ours) / TURNS, sum(bare) / TURNS, 1000 * median(singles))


async def _time_one(maker: PdfMaker, number: int) -> float:
    started = time.perf_counter()
    await maker.print_each(_make_sheets(number, 1))
    return time.perf_counter() - started


def _set_bare(sheets: list[Sheet]) -> float:
    """Files a second of WeasyPrint alone; its first file, which loads what it needs, is not counted."""
    from weasyprint import HTML

    started = 0.0
    for number, sheet in enumerate(sheets):
        html = sheet.html
        for name, place in sheet.places.items():
            html = html.replace(place, sheet.marks.texts[name])
        HTML(string=html.replace('"Liyu Sans SC", "Liyu Sans SC Full"', f'"{SYSTEM_FONT}"')).write_pdf()
        if number == 0:
            started = time.perf_counter()
    return (len(sheets) - 1) / (time.perf_counter() - started)


def _make_sheets(first: int, count: int) -> list[Sheet]:
    """Vouchers of one item, as a campaign has them."""
    load_catalogs()
    use_locale("zh_CN")
    vouchers = [(_facts(first + number + 1), _STORES) for number in range(count)]
    return vouchers_to_sheets(
        make_environment(str), vouchers, "zh_CN", tokens=_TOKENS, zone=_ZONE,
        program_name="云栖会员", support_phone="400-555-0100",
    )  # fmt: skip


_ZONE = ZoneInfo("Asia/Shanghai")
_TOKENS = Tokens("bench" * 8)
_STORES = [
    StoreFacts(number, f"S{number}", f"南京西路{number}店", "", "上海", "", f"南京西路 {number} 号", "", "08:00–22:00")
    for number in range(1, 7)
]


def _facts(number: int) -> VoucherFacts:
    return VoucherFacts(
        id=number,
        redemption_id=number,
        redemption_number=f"R{number:014d}",
        member_id=1,
        member_name=None,
        member_state="active",
        member_locale=None,
        item_id=3,
        sku="CUP",
        kind="partner_right",
        scene="coffee",
        item_zh="标准杯手工饮品一杯",
        item_en="",
        summary_zh="拿铁、美式、卡布奇诺任选其一",
        summary_en="",
        rules_zh=["到店出示本券二维码，当面核销", "一次使用一张，不与其他优惠同享", "不找零，不兑现"],
        rules_en=[],
        value_minor=3_200,
        partner_id=1,
        partner_code="LUCK",
        partner_zh="瑞幸咖啡",
        partner_en="",
        partner_phone="400-555-0101",
        agreement_line_id=None,
        state="issued",
        uses=0,
        uses_allowed=1,
        issued_at=_MOMENT,
        expires_at=_MOMENT,
    )


if __name__ == "__main__":
    took = measure(int(sys.argv[1]) if len(sys.argv) > 1 else FILES)
    sys.stdout.write(
        f"{took.ours:,.0f} files/s, bare {took.bare:.1f}/s, {took.ours / took.bare:.1f} x; one voucher {took.single:.1f} ms\n"
    )
