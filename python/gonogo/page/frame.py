"""The frame of a page, and what all pages are made of: texts, tables, pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np
from numpy.typing import NDArray

from gonogo.png import png
from gonogo.storage import write_atomically

# Nothing is fetched and nothing is run, whatever a file name or a class name tries.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_STYLE = """\
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { font-size: 16px; } body { font: 1rem/1.5 system-ui, sans-serif; color: #222; background: #fff;
  margin: 0 auto; max-width: 66rem; padding: 1rem;
  overflow-wrap: anywhere; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h2, h3 { break-after: avoid; } h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; } p { margin: .5rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th { overflow-wrap: break-word; } th[scope=row] { min-width: 5rem; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid #ccc; vertical-align: top; }
thead { display: table-header-group; } tr { break-inside: avoid; }
td.number, th.number { text-align: right; padding-right: 1.2rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
th.number { white-space: normal; } figure { margin: 0; break-inside: avoid; } figcaption, .name { font-size: .85rem; }
.name, .note { color: #444; } .note { font-size: .85rem; break-after: avoid; } img { width: 100%; height: auto; display: block; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .8rem; }
.pictures figure { border: 2px solid #555; border-radius: 4px; padding: .4rem; }
svg { display: block; } svg:not(.inside) { width: 100%; height: auto; font-family: system-ui, sans-serif; }
footer { margin-top: 2rem; font-size: .85rem; color: #444; }
@page { margin: 15mm 14mm; }
@media print { html { font-size: 11px; } body { max-width: none; padding: 0; } .wide { overflow: visible; }
  .pictures { grid-template-columns: repeat(6, 1fr); } }
"""

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="$policy"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>$title</title>
<style>
$style
</style>
</head>
<body>
$body
</body>
</html>
""")


def write_page(path: Path, title: str, body: str, style: str = "") -> Path:
    """Write a page, whole or not at all.

    Parameters
    ----------
    path : Path
        Target; replaced when it exists. Its folder must exist.
    title : str
        For the window; plain text.
    body : str
        HTML that is well-formed XML as well.
    style : str
        CSS that this page needs besides what all pages have.

    Raises
    ------
    OSError
        The file cannot be written; nothing is left half-written.
    """
    return write_atomically(path, page_text(title, body, style))


def page_text(title: str, body: str, style: str = "") -> str:
    """Return a page as ``write_page`` writes it."""
    body = body.replace(" %", "\N{NO-BREAK SPACE}%")  # a number is not parted from its sign
    return _PAGE.substitute(policy=_POLICY, title=text(title), style=frame_style(style), body=body)


def frame_style(style: str = "") -> str:
    """Return the CSS of a page: what all pages have, and what this one needs besides."""
    return _STYLE + style


def text(value: object) -> str:
    """Return a text for HTML that shows what is there.

    Characters that cannot be seen, or that turn the reading direction of what follows, are written as ``\\u202e``; so are
    bytes of file names that are not UTF-8.
    """
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(value))
    return escape(seen)


def file_name(name: str) -> str:
    """Return a file name for HTML that breaks where its words end."""
    return re.sub("([/_])", r"\1<wbr/>", text(name))


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = (), caption: str = "") -> str:
    """Return a table that scrolls by itself where the page is too narrow.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns; none where it is empty.
    rows : sequence of sequences of str
        HTML; the first cell of each names its row.
    numbers : sequence of int
        Columns that are set flush right.
    caption : str
        HTML above the table.
    """

    def cell(tag: str, column: int, content: str, scope: str = "") -> str:
        kind = ' class="number"' if column in numbers else ""
        return f"<{tag}{kind}{scope}>{content}</{tag}>"

    top = "".join(cell("th", k, title, ' scope="col"') for k, title in enumerate(head))
    body = "".join(
        "<tr>"
        + "".join(cell("td", k, c) if k else cell("th", k, c, ' scope="row"') for k, c in enumerate(row))
        + "</tr>"
        for row in rows
    )
    told = f'<p class="note">{caption}</p>' if caption else ""
    shown = f"<thead><tr>{top}</tr></thead>" if head else ""
    return f'{told}<div class="wide"><table>{shown}<tbody>{body}</tbody></table></div>'


def picture(image: NDArray[np.uint8], alt: str) -> str:
    """Return a picture that lies inside the page.

    Parameters
    ----------
    image : uint8 array (height, width, 1 or 3)
    alt : str
        Told where it cannot be seen; plain text.
    """
    data = base64.b64encode(png(image, level=9)).decode("ascii")
    return f'<img alt="{text(alt)}" src="data:image/png;base64,{data}"/>'
