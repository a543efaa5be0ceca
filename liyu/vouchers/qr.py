"""QR codes: for pages as SVG without inline styles, which their security policy forbids; for paper as a path."""

import io

import segno

INK = "#0f1d18"


_QUIET = 4
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


def trace_qr(text: str) -> tuple[int, bytes]:
    """A QR code for paper: the modules of a side with its quiet zone, and its dark parts as the path of a PDF in modules."""
    rows = segno.make_qr(text, error="m", mask=_MASK).matrix
    side = len(rows) + 2 * _QUIET
    path = []
    for number, row in enumerate(rows):
        start = row.find(1)
        while start >= 0:
            end = row.find(0, start)
            end = len(row) if end < 0 else end
            path.append(b"%d %d %d 1 re" % (_QUIET + start, side - _QUIET - 1 - number, end - start))
            start = row.find(1, end)
    return side, b"\n".join(path)
