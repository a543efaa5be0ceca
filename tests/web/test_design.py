"""The look holds: contrast in both themes, plain CSS every browser knows, templates without inline style or script."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2.meta import find_undeclared_variables

from liyu.web import covers
from liyu.web.assets import BUNDLES, join_modules
from liyu.web.pages import TEMPLATES, make_environment
from tests.web.styleguide import PAGES, STATIC, read_catalog, render_page

CSS = STATIC / "css"
TOKENS = (CSS / "tokens.css").read_text()
STYLESHEETS = sorted(CSS.rglob("*.css"))
TEMPLATE_NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))
# Mail is read by programs that know style attributes only, and a PDF has no content security policy.
PAGE_TEMPLATES = [name for name in TEMPLATE_NAMES if not name.startswith(("mail/", "pdf/"))]
TEXT_PAIRS = [
    ("ink", "canvas"), ("ink", "surface"), ("ink", "sunken"), ("ink", "accent-soft"), ("ink", "points-soft"),
    ("ink", "danger-soft"), ("ink", "info-soft"), ("ink-muted", "canvas"), ("ink-muted", "surface"), ("ink-muted", "sunken"),
    ("accent", "canvas"),
    ("accent", "surface"), ("accent", "accent-soft"), ("accent", "sunken"), ("on-accent", "accent"), ("on-accent", "accent-hover"),
    ("points", "canvas"), ("points", "surface"), ("points", "points-soft"), ("danger", "canvas"), ("danger", "surface"),
    ("danger", "danger-soft"), ("on-danger", "danger"), ("info", "surface"), ("info", "info-soft"), ("canvas", "ink"),
    ("foil-ink", "foil-from"), ("foil-points", "foil-from"), ("foil-muted", "foil-from"), ("foil-ink", "foil-glow"),
]  # fmt: skip
CONTROL_PAIRS = [("control-line", "surface"), ("control-line", "canvas"), ("focus", "canvas"), ("focus", "surface")]
# Newer than what every current browser has known for a year or so.
NOT_BASELINE = (
    "@view-transition", "field-sizing", "interpolate-size", "calc-size(", "anchor-name", "position-anchor", "anchor(", "@scope",
    "animation-timeline", "scroll-timeline", "view-timeline", "text-box-trim", "corner-shape", "sibling-index(", "::scroll-button",
    "::details-content", "@function", "contrast-color(", "reading-flow", "if(",
)  # fmt: skip


def read_tokens(large: bool) -> dict[str, str]:
    """Return the raw values of all custom properties; the large-text switch overrides some."""
    root, _, switch = TOKENS.partition('[data-text="large"]')
    found = dict(re.findall(r"--([\w-]+):\s*([^;]+);", root))
    return found | dict(re.findall(r"--([\w-]+):\s*([^;]+);", switch)) if large else found


def resolve(name: str, theme: str, tokens: dict[str, str]) -> tuple[float, float, float, float]:
    """Return a role as linear sRGB with alpha."""
    value = tokens[name].strip()
    if pair := re.fullmatch(r"light-dark\((.+?\)),\s*(.+)\)", value):
        value = pair.group(1 if theme == "light" else 2)
    if reference := re.fullmatch(r"var\(--([\w-]+)\)", value):
        return resolve(reference.group(1), theme, tokens)
    matched = re.fullmatch(r"oklch\(([\d.]+)% ([\d.]+) ([\d.]+)(?: / ([\d.]+))?\)", value)
    assert matched is not None, f"--{name}: {value}"
    lightness, chroma, hue = float(matched[1]) / 100, float(matched[2]), math.radians(float(matched[3]))
    return (*convert_oklch(lightness, chroma * math.cos(hue), chroma * math.sin(hue)), float(matched[4] or 1))


def convert_oklch(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Return OKLab as linear sRGB, cut to the gamut (bottosson.github.io/posts/oklab)."""
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        clamp(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        clamp(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        clamp(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def clamp(value: float) -> float:
    """Return the value within 0 and 1."""
    return min(1.0, max(0.0, value))


def measure_contrast(text: str, surface: str, theme: str, large: bool) -> float:
    """Return the WCAG 2 contrast ratio of two roles; a translucent text is laid upon its surface first."""
    tokens = read_tokens(large)
    front, back = resolve(text, theme, tokens), resolve(surface, theme, tokens)
    mixed = [front[index] * front[3] + back[index] * (1 - front[3]) for index in range(3)]
    bright, dark = sorted((luminance(mixed), luminance(list(back[:3]))), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: list[float]) -> float:
    """Return the relative luminance of linear sRGB."""
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


@pytest.mark.parametrize("large", [False, True], ids=["normal", "large"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("text", "surface"), TEXT_PAIRS)
def test_every_text_role_reads_well_on_its_surface(text: str, surface: str, theme: str, large: bool) -> None:
    assert measure_contrast(text, surface, theme, large) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("line", "surface"), CONTROL_PAIRS)
def test_every_control_border_can_be_seen(line: str, surface: str, theme: str) -> None:
    assert measure_contrast(line, surface, theme, False) >= 3


@pytest.mark.parametrize("sheet", STYLESHEETS, ids=lambda path: path.stem)
def test_stylesheets_stay_small_layered_and_plain(sheet: Path) -> None:
    text = sheet.read_text()
    assert text.count("\n") <= 250
    assert text.startswith(("@layer", "@media print"))
    assert not [feature for feature in NOT_BASELINE if feature in text]
    assert "http" not in text
    braces = text.count("{") - text.count("}")
    assert braces == 0


@pytest.mark.parametrize("sheet", STYLESHEETS, ids=lambda path: path.stem)
def test_stylesheets_use_only_tokens_that_exist(sheet: Path) -> None:
    known = set(re.findall(r"--([\w-]+):", "".join(path.read_text() for path in STYLESHEETS)))
    assert set(re.findall(r"var\(--([\w-]+)", sheet.read_text())) <= known


def test_every_class_and_token_of_the_stylesheets_is_used() -> None:
    sheets = [re.sub(r"/\*.*?\*/|url\([^)]*\)", "", path.read_text(), flags=re.DOTALL) for path in STYLESHEETS]
    folders = (TEMPLATES, STATIC / "js", TEMPLATES.parent)
    users = {path for folder in folders for path in folder.rglob("*") if path.suffix in {".html", ".js", ".py", ".txt"}}
    words = set(re.findall(r"[\w-]+", "".join(path.read_text() for path in users)))
    classes = set(re.findall(r"\.([A-Za-z][\w-]*)", "".join(sheets)))
    # The library of that prefix sets its own while it waits.
    assert {name for name in classes - words if not name.startswith("htmx-")} == set()
    asked = re.findall(r"--[\w-]+(?!\s*[\w-]*:)", "".join(sheets)) + [f"--{word.lstrip('-')}" for word in words]
    assert set(re.findall(r"(--[\w-]+):", "".join(sheets))) - set(asked) == set()


def test_the_layers_are_declared_first_and_in_order() -> None:
    assert TOKENS.splitlines()[0] == "@layer reset, base, layout, components, audience, utilities;"


@pytest.mark.parametrize("sheet", STYLESHEETS, ids=lambda path: path.stem)
def test_no_state_of_a_history_hides_its_entries(sheet: Path) -> None:
    """Entries of a timeline carry their state as a class, so a rule about such a class says whose it is."""
    assert not re.search(r"(?m)^\.(waiting|red|gold)\s*\{", sheet.read_text())


def test_a_mall_page_loads_little_css() -> None:
    assert sum((STATIC / name).stat().st_size for name in BUNDLES["css/bundles/mall.css"]) <= 48 * 1024


@pytest.mark.parametrize("name", PAGE_TEMPLATES)
def test_templates_have_no_inline_style_or_script(name: str) -> None:
    text = re.sub(r"\{#.*?#\}", "", (TEMPLATES / name).read_text(), flags=re.DOTALL)
    assert not re.search(r"\sstyle\s*=", text)
    assert "<style" not in text
    assert not re.search(r"\shx-on\b|\shx-vals=[\"']js:|javascript:", text)
    assert not re.search(r"<[^>{]*\son[a-z]+\s*=", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_every_template_compiles(name: str) -> None:
    make_environment(str).get_template(name)


def find_icons(text: str) -> Iterator[str]:
    """Return the icon names that a template writes out."""
    yield from re.findall(r'(?<!def )\bicon(?:_button)?\("([a-z0-9-]+)"', text)
    yield from re.findall(r'icon_name="([a-z0-9-]+)"', text)
    yield from re.findall(r'empty_state\("([a-z0-9-]+)"', text)


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_every_icon_is_in_the_sprite_list(name: str) -> None:
    known = set((STATIC / "icons.txt").read_text().split())
    assert set(find_icons((TEMPLATES / name).read_text())) <= known


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["zh_CN", "en"])
@pytest.mark.parametrize("page_name", PAGES)
def test_the_style_guide_shows_every_component(page_name: str, locale: str, theme: str) -> None:
    html = render_page(locale, theme, page_name, str, str)
    assert f'data-theme="{theme}"' in html
    assert html.count("<h1") == (page_name != "mall")
    assert len(re.findall(r'id="main"', html)) == 1
    if page_name == "mall":
        # Counts are grouped as all figures.
        assert re.findall(r"<small>(12,800|1,012)</small>", html) == ["12,800", "1,012"]


def test_every_shared_message_has_its_chinese() -> None:
    assert not [message for message, text in read_catalog("zh_CN").items() if not text]


@pytest.mark.parametrize("scene", covers.TINTS)
@pytest.mark.parametrize("seed", range(3))
def test_covers_are_small_and_always_the_same(scene: str, seed: int) -> None:
    for icon in covers.ICONS:
        drawing = covers.draw_cover(scene, seed, icon)
        assert len(drawing.encode()) <= 3 * 1024
        assert drawing == covers.draw_cover(scene, seed + 3, icon)
        assert covers.parse_cover_name(covers.cover_name(scene, seed, icon)) == (scene, seed, icon)


@pytest.mark.parametrize(
    "name",
    ["", "travel-circles-plane.png", "mars-circles-plane.svg", "travel-lines-plane.svg", "travel-circles-../x.svg"],
)
def test_there_is_no_cover_of_another_name(name: str) -> None:
    assert covers.parse_cover_name(name) is None


@pytest.mark.parametrize("module", sorted((STATIC / "js").glob("*.js")), ids=lambda path: path.stem)
def test_the_scripts_stay_small(module: Path) -> None:
    text = module.read_text()
    assert text.count("\n") <= 40
    assert "eval(" not in text
    assert "innerHTML" not in text


def test_the_bundle_holds_every_module_of_a_page_and_nothing_that_a_block_cannot() -> None:
    parts = BUNDLES["js/bundles/app.js"]
    assert {"js/near.js", "js/place.js", "js/gift-code.js"} <= set(parts)
    joined = join_modules([(STATIC / part).read_bytes() for part in parts]).decode()
    assert not re.search(r"^(import|export)\b", joined, re.MULTILINE)


def test_macros_are_imported_without_the_page_they_stand_on() -> None:
    """Jinja keeps such macros ready; with context it runs their whole file again for every page (perf, bench `mall home`)."""
    environment = make_environment(str)
    for name in PAGE_TEMPLATES:
        source = (TEMPLATES / name).read_text()
        for taken, context in re.findall(r'from "([^"]+)" import [^%]*?( with context)? %}', source):
            tree = environment.parse((TEMPLATES / taken).read_text())
            needs = find_undeclared_variables(tree) - set(environment.globals)
            assert bool(context) == bool(needs), f"{name} takes {taken}, which needs {needs or 'nothing'}"
