"""Drawn covers for items without a picture: tint by scene, one of three fine patterns, a line icon.

Pure functions, so the same name gives the same bytes for ever and a cover may be served as immutable under
``/covers/<cover_name>``. Colours are plain sRGB because mail programs and the PDF maker draw these covers too.
"""

from typing import Final

PATTERNS: Final = ("circles", "waves", "dots")

# Upper left and lower right of the gradient: oklch(56% .085 h) and oklch(33% .065 h+25).
TINTS: Final[dict[str, tuple[str, str]]] = {
    "travel": ("#3c7c9f", "#213557"),
    "dining": ("#4e835a", "#004033"),
    "hotel": ("#746ca3", "#422a4c"),
    "car": ("#248388", "#003c4e"),
    "health": ("#9f5f69", "#52281e"),
    "coffee": ("#9b6742", "#473104"),
    "shopping": ("#8d6f35", "#393707"),
    "entertainment": ("#8b6494", "#4d273d"),
    "home": ("#6e7c40", "#1e3e1f"),
    "charity": ("#a06156", "#4f2b11"),
}

ICONS: Final[dict[str, str]] = {
    "plane": "M3 13l18-7-7 18-3-8z",
    "fork": "M7 3v6a2.5 2.5 0 0 0 5 0V3M9.5 3v18M17 21v-7h-2.5c0-6 1-9.5 2.5-11z",
    "bed": "M3 18V7M3 14h18v4M21 14v-2a3 3 0 0 0-3-3h-8v5",
    "car": "M4 15l2-6h12l2 6v4h-3v-2H7v2H4zM7 15h.01M17 15h.01",
    "heart": "M12 20s-8-5-8-10a4 4 0 0 1 8-1 4 4 0 0 1 8 1c0 5-8 10-8 10z",
    "cup": "M5 8h11v6a5 5 0 0 1-5 5h-1a5 5 0 0 1-5-5zM16 10h2a2 2 0 0 1 0 5h-2M8 3v2M12 3v2",
    "bag": "M5 8h14l1 13H4zM8.5 11V7a3.5 3.5 0 0 1 7 0v4",
    "film": "M4 4h16v16H4zM8 4v16M16 4v16M4 8h4M4 12h16M4 16h4M16 8h4M16 16h4",
    "house": "M4 11l8-7 8 7v9h-5v-6h-6v6H4z",
    "hand": "M12 12S7.5 9.2 7.5 6.3A2.3 2.3 0 0 1 12 5.6a2.3 2.3 0 0 1 4.5.7C16.5 9.2 12 12 12 12z"
    "M3 14h3l3 1.5h4a1.5 1.5 0 0 1 0 3H9.5M13.5 17.5l5-2.5a1.7 1.7 0 0 1 1.6 3L13 21.5H8L6 20.5H3",
    "gift": "M4 11h16v9H4zM3 7h18v4H3zM12 7v13M12 7S10 3 8 4s0 3 4 3M12 7s2-4 4-3 0 3-4 3",
    "ticket": "M3 9V6h18v3a3 3 0 0 0 0 6v3H3v-3a3 3 0 0 0 0-6zM14 6v12",
    "key": "M8 19a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM11 12l9-9M16 7l3 3",
    "phone": "M7 3h10v18H7zM11 18h2",
    "dice": "M4 4h16v16H4zM8.5 8.500h.01M15.5 8.500h.01M12 12h.01M8.5 15.500h.01M15.5 15.500h.01",
}

SCENE_ICONS: Final[dict[str, str]] = {
    "travel": "plane",
    "dining": "fork",
    "hotel": "bed",
    "car": "car",
    "health": "heart",
    "coffee": "cup",
    "shopping": "bag",
    "entertainment": "film",
    "home": "house",
    "charity": "hand",
}

# Kinds that are told by their scene (a partner's right, a draw for one) take the scene's icon.
KIND_ICONS: Final[dict[str, str]] = {
    "goods": "gift",
    "pick_up": "bag",
    "coupon": "ticket",
    "code": "key",
    "top_up": "phone",
    "draw": "dice",
    "donation": "hand",
}

_WAVE_ROWS: Final = range(-1, 20)


def choose_icon(scene: str, kind: str) -> str:
    """Return the icon of an item: by kind, or by scene where the kind says little (partner rights)."""
    return KIND_ICONS.get(kind) or SCENE_ICONS.get(scene, "gift")


def cover_name(scene: str, seed: int, icon: str) -> str:
    """Return the file name of a cover, `<scene>-<pattern>-<icon>.svg`; `seed` (the item's id) picks the pattern."""
    return f"{scene}-{PATTERNS[seed % len(PATTERNS)]}-{icon}.svg"


def parse_cover_name(name: str) -> tuple[str, int, str] | None:
    """Return scene, seed and icon for `draw_cover`, or None when no cover has this name."""
    stem, dot, suffix = name.rpartition(".")
    parts = stem.split("-")
    if not dot or suffix != "svg" or len(parts) != 3:
        return None
    scene, pattern, icon = parts
    if scene not in TINTS or pattern not in PATTERNS or icon not in ICONS:
        return None
    return scene, PATTERNS.index(pattern), icon


def draw_cover(scene: str, seed: int, icon: str) -> str:
    """Return the cover as one SVG document of 400 × 260, at most 3 kB; an unknown scene or icon falls back to shopping, gift."""
    start, end = TINTS.get(scene, TINTS["shopping"])
    pattern = PATTERNS[seed % len(PATTERNS)]
    # Every scene turns its pattern a little, so neighbours of one pattern differ.
    turn = list(TINTS).index(scene) if scene in TINTS else 0
    drawing = {"circles": _draw_circles, "waves": _draw_waves, "dots": _draw_dots}[pattern](turn)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="260" viewBox="0 0 400 260" '
        'preserveAspectRatio="xMidYMid slice" fill="none">'
        '<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1">'
        f'<stop stop-color="{start}"/><stop offset="1" stop-color="{end}"/></linearGradient></defs>'
        f'<rect width="400" height="260" fill="url(#g)"/>{drawing}'
        '<g transform="translate(164 94) scale(3)" stroke="#fbf9f3" stroke-opacity=".92" stroke-width="1.6" '
        f'stroke-linecap="round" stroke-linejoin="round"><path d="{ICONS.get(icon, ICONS["gift"])}"/></g></svg>'
    )


def _draw_circles(turn: int) -> str:
    """Nine rings around a centre that wanders, as a drop in water."""
    rings = []
    for ring in range(1, 10):
        drift = (ring * 37 + turn * 53) % 113
        rings.append(f'<circle cx="{203 + drift}" cy="{(drift * 7 + turn * 11) % 76 - 16}" r="{26 * ring}"/>')
    return f'<g stroke="#fff" stroke-opacity=".13">{"".join(rings)}</g>'


def _draw_waves(turn: int) -> str:
    """One wave, laid down row by row with a growing shift; a single path, since a PDF pays for each element."""
    wave = "q35-22 70 0t70 0 70 0 70 0 70 0 70 0 70 0"
    rows = "".join(f"M{-((row * 11 + turn * 17) % 140)} {row * 16}{wave}" for row in _WAVE_ROWS)
    return f'<path stroke="#fff" stroke-opacity=".12" d="{rows}"/>'


def _draw_dots(turn: int) -> str:
    """A weave of dots in three sizes; the step of the weave depends on the scene."""
    step = 40 + turn % 3 * 4
    half, quarter = step // 2, step // 4
    return (
        f'<defs><pattern id="d" width="{step}" height="{step}" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate({turn * 3 % 12})"><g fill="#fff" fill-opacity=".14">'
        f'<circle cx="{quarter}" cy="{quarter}" r="2.6"/>'
        f'<circle cx="{quarter + half}" cy="{quarter + half}" r="2.6"/><circle cx="{quarter + half}" cy="{quarter}" r="1.3"/>'
        f'<circle cx="{quarter}" cy="{quarter + half}" r="1.3"/></g></pattern></defs>'
        '<rect width="400" height="260" fill="url(#d)"/>'
    )
