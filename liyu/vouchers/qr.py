"""QR codes: for pages as SVG without inline styles, which their security policy forbids; for paper as PNG."""

import io

import segno

INK = "#0f1d18"


_SCALE = 4
# Choosing the best of eight masks takes four fifths of the time. Letters of a cipher look alike under each of them.
_MASK = 2


def draw_qr(text: str, *, ink: str = INK) -> str:
    """A QR code as one SVG element with a quiet zone of four modules; it scales with its box."""
    drawing = io.BytesIO()
    segno.make_qr(text, error="m", mask=_MASK).save(
        drawing,
        kind="svg",
        xmldecl=False,
        omitsize=True,
        svgclass=None,
        lineclass=None,
        dark=ink,
        light="#fff",
        nl=False,
    )
    return drawing.getvalue().decode()


def print_qr(text: str) -> bytes:
    """A QR code as a black and white PNG with its quiet zone, fine enough for paper; a PDF takes it as it is."""
    drawing = io.BytesIO()
    segno.make_qr(text, error="m", mask=_MASK).save(drawing, kind="png", scale=_SCALE)
    return drawing.getvalue()
