"""From HTML to PDF, in a small pool of spawned processes. The only module that knows WeasyPrint.

A font configuration shared by threads crashes, and one made anew for each file costs more than the file: so each process
has one of its own, loaded once, with the font that the set-up has cut to the common characters. Documents with a rare
character also get the whole font, and where that is not enough those of other scripts, so that no sign comes out blank.
"""

import asyncio
import faulthandler
import multiprocessing
import re
import resource
import signal
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, lru_cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from liyu.core.errors import DomainError
from liyu.core.i18n import N_
from liyu.vouchers.sheets import Layout, Sheet

if TYPE_CHECKING:
    from liyu.vouchers.stamp import Master

STATIC = Path(__file__).parents[1] / "static"
FONTS = STATIC / "vendor" / "fonts"
COMMON_FONT = FONTS / "LiyuSansSC.otf"

COMMON_FAMILY = "Liyu Sans SC"
MISSING_HAN = "〓"
"""The printer's mark for a character that no font has (geta mark)."""

FILES_PER_PROCESS = 500
MEGABYTES = 2048
"""Address space of one process; the fonts and libraries alone take a third of a gigabyte."""
BATCH_SECONDS = 600
"""For one task of a batch: joining 20,000 pages takes far longer than setting one."""
MASTERS_KEPT = 64

Made = TypeVar("Made")

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


class PdfFailedError(DomainError):
    """The document could not be made: twice it broke the process that set it."""

    status = 503
    code = "pdf_failed"
    message = N_("The PDF could not be made: setting its pages broke off twice.")


class PdfTooSlowError(PdfFailedError):
    """It took longer than one document may."""

    code = "pdf_too_slow"
    message = N_("The PDF could not be made: setting its pages took too long.")


class PdfTooLargeError(PdfFailedError):
    """It took more memory than one document may."""

    code = "pdf_too_large"
    message = N_("The PDF could not be made: setting its pages took too much memory.")


class PdfMaker:
    """A pool of processes that turn HTML into PDF. Processes are replaced after some hundred files.

    `seconds` and `megabytes` limit one document; one that hangs beyond Python's reach takes its process with it.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        seconds: int = 30,
        megabytes: int = MEGABYTES,
        files_per_process: int = FILES_PER_PROCESS,
    ) -> None:
        self.workers = workers
        self.seconds = seconds
        self.megabytes = megabytes
        # Python 3.11's own max_tasks_per_child can leave a full queue without a process (CPython issue 115634).
        self._files_per_pool = files_per_process * workers
        self._files_left = 0
        self._pool: ProcessPoolExecutor | None = None

    async def render(self, html: str) -> bytes:
        """The PDF of a document, tagged for screen readers; the same HTML gives the same bytes. Raises PdfFailedError."""
        return await self._run(_Typesetter.render, html)

    async def print_each(self, sheets: Sequence[Sheet]) -> list[bytes]:
        """A PDF of each voucher; the same voucher gives the same bytes. Raises PdfFailedError."""
        return await self._run(_Typesetter.print_each, sheets)

    async def print_all(self, sheets: Sequence[Sheet], layout: Layout) -> bytes:
        """One PDF of vouchers. Raises PdfFailedError."""
        return await self._run(_Typesetter.print_all, sheets, layout)

    async def merge(self, parts: Sequence[bytes]) -> bytes:
        """PDFs as one. Raises PdfFailedError."""
        return await self._run(_Typesetter.merge, parts)

    async def _run(self, task: Callable[..., Made], *arguments: Any) -> Made:
        """Let a process of the pool carry out a task of its typesetter."""
        for _ in range(2):
            pool = self._take_pool()
            try:
                return await asyncio.get_running_loop().run_in_executor(pool, _carry_out, task, *arguments)
            except BrokenProcessPool:
                # Another document may have broken the process, so each gets a second try.
                self._drop(pool)
            except _TooSlowError as fault:
                raise PdfTooSlowError from fault
            except MemoryError as fault:
                raise PdfTooLargeError from fault
        raise PdfFailedError

    async def warm_up(self) -> None:
        """Start the processes and load their fonts, so that the first document does not wait for it."""
        await asyncio.gather(*(self.render("<!doctype html><title>.</title>.") for _ in range(self.workers)))

    def close(self) -> None:
        """Let go of the processes; documents that wait are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _take_pool(self) -> ProcessPoolExecutor:
        if self._pool is not None and self._files_left <= 0:
            self._pool.shutdown(wait=False)
            self._pool = None
        if self._pool is None:
            self._files_left = self._files_per_pool
            self._pool = ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_prepare,
                initargs=(self.seconds, self.megabytes),
            )
        self._files_left -= 1
        return self._pool

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        if self._pool is pool:
            pool.shutdown(wait=False)
            self._pool = None


class _TooSlowError(BaseException):
    """The time for one document is over. No Exception: libraries take those for a picture or a font that cannot be read."""


class _Typesetter:
    """What one process keeps between documents."""

    def __init__(self, seconds: int) -> None:
        from weasyprint.text.fonts import FontConfiguration

        self.seconds = seconds
        self.fonts = FontConfiguration()
        self.fetcher = _make_fetcher()
        self.further = cache(self.load_further)
        self.common = frozenset[str]()
        self.glyphs: dict[str, int] = {}
        """Numbers of the glyphs of the font that comes first."""
        self.sheet = lru_cache(maxsize=16)(self.read_sheet)
        self.master = lru_cache(maxsize=MASTERS_KEPT)(self.make_master)
        if COMMON_FONT.exists():
            self.common = self._load(COMMON_FAMILY, COMMON_FONT)

    def render(self, html: str) -> bytes:
        """Set one document, with tags."""
        return self.set(html, tagged=True)

    def set(self, html: str, *, tagged: bool = False) -> bytes:
        """Set one document. One that is taken apart must not be tagged: tags name places in drawings."""
        from weasyprint import HTML

        html = self._cover_characters(html)
        body, styles = _take_styles_out(html)
        document = HTML(string=body, url_fetcher=self.fetcher, base_url="static:")
        made: bytes = document.write_pdf(
            font_config=self.fonts,
            stylesheets=[self.sheet(style) for style in styles],
            pdf_identifier=sha256(html.encode()).hexdigest()[:32].encode(),
            pdf_tags=tagged,
        )
        return made

    def print_each(self, sheets: Sequence[Sheet]) -> list[bytes]:
        """A PDF of each sheet."""
        return [self.print_all([sheet]) for sheet in sheets]

    def print_all(self, sheets: Sequence[Sheet], layout: Layout = "a6") -> bytes:
        """One PDF of all sheets."""
        from liyu.vouchers.stamp import stamp

        return stamp([(self.master(sheet.html, tuple(sheet.places.items())), sheet.marks) for sheet in sheets], layout)

    def merge(self, parts: Sequence[bytes]) -> bytes:
        """PDFs as one."""
        from liyu.vouchers.stamp import merge

        return merge(parts)

    def make_master(self, html: str, places: tuple[tuple[str, str], ...]) -> "Master":
        """A sheet set once for all vouchers that differ in their marks only."""
        from liyu.vouchers.stamp import Master

        return Master(self.set(html), dict(places), self.glyphs)

    def read_sheet(self, style: str) -> Any:
        """A style sheet, read once for all documents that have it."""
        from weasyprint import CSS

        return CSS(string=style, font_config=self.fonts, url_fetcher=self.fetcher, base_url="static:")

    def _cover_characters(self, html: str) -> str:
        """See to it that every character has a glyph; what no font has becomes a mark or goes."""
        html = html.translate(_LEFT_OUT)
        rare = frozenset(character for character in set(html) - self.common if not character.isspace())
        for family in FURTHER_FAMILIES:
            if rare:
                rare -= self.further(family)
        return html.translate({ord(character): _stand_in(character) for character in rare})

    def load_further(self, family: str) -> frozenset[str]:
        """Load one more family, once, and return the characters it has."""
        return self._load(family, FURTHER_FAMILIES[family]())

    def _load(self, family: str, path: Path) -> frozenset[str]:
        """Load a font file as a family, and return the characters it has."""
        from fontTools.ttLib import TTFont
        from weasyprint import CSS

        self.fetcher.fonts[f"font:{path.name}"] = path
        rule = f'@font-face {{ font-family: "{family}"; src: url("font:{path.name}") }}'
        CSS(string=rule, font_config=self.fonts, url_fetcher=self.fetcher)
        with TTFont(path, lazy=True) as font:
            names = font.getBestCmap()
            if not self.glyphs:
                self.glyphs = {chr(sign): font.getGlyphID(name) for sign, name in names.items()}
            return frozenset(map(chr, names))


def _take_styles_out(html: str) -> tuple[str, list[str]]:
    return _STYLE.sub("", html), _STYLE.findall(html)


def _make_fetcher() -> Any:
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OwnFilesOnly(URLFetcher):  # type: ignore[misc]
        """Gives `data:` addresses, our own static files as `static:css/print.css`, and the fonts. Nothing else."""

        def __init__(self) -> None:
            super().__init__(allowed_protocols=("data",), allow_redirects=False)
            self.fonts: dict[str, Path] = {}

        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
            if url in self.fonts:
                return URLFetcherResponse(url, self.fonts[url].read_bytes())
            if url.startswith("static:"):
                return URLFetcherResponse(url, find_static_file(url.removeprefix("static:")).read_bytes())
            return super().fetch(url, headers)

    return OwnFilesOnly()


def find_static_file(name: str) -> Path:
    """The path of one of our static files. Raises ValueError for a name that leads out of their folder."""
    path = (STATIC / name).resolve()
    if not path.is_relative_to(STATIC.resolve()):
        raise ValueError(f"{name!r} leaves the static folder")
    return path


def _find(package: str) -> Callable[[], Path]:
    """Where a package of fonts keeps the one without serifs; the package is only loaded when it is wanted."""
    return lambda: import_module(package).sans_path()


FURTHER_FAMILIES: dict[str, Callable[[], Path]] = {
    "Liyu Sans SC Full": _find("pylopdf_fonts_zh_cn"),
    "Liyu Sans": lambda: FONTS / "NotoSans.ttf",
    "Liyu Sans Thai": lambda: FONTS / "NotoSansThai.ttf",
    "Liyu Sans Arabic": lambda: FONTS / "NotoSansArabic.ttf",
    "Liyu Sans Hebrew": lambda: FONTS / "NotoSansHebrew.ttf",
    "Liyu Sans TC": _find("pylopdf_fonts_zh_tw"),
    "Liyu Sans JP": _find("pylopdf_fonts_jp"),
    "Liyu Sans KR": _find("pylopdf_fonts_ko"),
}
"""Fonts for what the common one lacks, in the order in which they are asked: rare Chinese first, then small files, then Chinese
beyond the basic plane (the characters of Hong Kong and Taiwan, then those of Japan). `pdf/fonts.css` names them in the same.
The names are ours, so that no font of the machine answers to them.
"""


_LEFT_OUT: dict[int, str | None] = {
    # Controls, and signs that turn the direction of what follows: a name could show itself as another one.
    **dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - set(b"\t\n\f\r")),
    **dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)]),
    # Other kinds of spaces and ends of lines, some of which a font of the machine would draw.
    **dict.fromkeys([0x1680, 0x2028, 0x2029], " "),
    # The font has no non-breaking hyphen worth having, and WeasyPrint draws a blank for it.
    0x2011: "-",
}


def _stand_in(character: str) -> str:
    """What stands for a character without a glyph: a mark for letters, nothing for emoji and the like."""
    return MISSING_HAN if unicodedata.category(character).startswith("L") else ""


_typesetter: _Typesetter | None = None
_Handler = Callable[[int, Any], None]


def _prepare(seconds: int, megabytes: int) -> None:
    """Make a process ready: import, load the font, and mind the clock from now on."""
    global _typesetter  # noqa: PLW0603 - a process of the pool has no other place of its own
    signal.signal(signal.SIGALRM, _stop)
    # The parent decides about the end of the pool; a Ctrl-C in the terminal reaches its children, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    _typesetter = _Typesetter(seconds)


def _stop(_signal: int, _frame: Any) -> None:
    raise _TooSlowError


def _carry_out(task: Callable[..., Made], *arguments: Any) -> Made:
    assert _typesetter is not None
    # The alarm ends slow Python; the watchdog ends the process when a library of another language hangs.
    faulthandler.dump_traceback_later(2 * _typesetter.seconds, exit=True)
    signal.alarm(_typesetter.seconds)
    try:
        return task(_typesetter, *arguments)
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
