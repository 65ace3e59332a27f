"""The page around the sections: one HTML file that needs nothing else, light or dark as the reader's system is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from imcflow.report.data import Section
from imcflow.report.markup import Html, escape

STYLE = "style.css"


def html_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Return the whole page as text.

    Args:
        title, subtitle: what it is about.
        sections: in order.
    """
    style = (files("imcflow.report") / STYLE).read_text(encoding="utf-8")
    links = "".join(f'<a href="#{_anchor(section.title)}">{escape(section.title)}</a>' for section in sections)
    body = "\n".join(_section(section) for section in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="imcflow">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>
<nav>{links}</nav>
<main>
{body}
</main>
</body>
</html>
"""


def _section(section: Section) -> Html:
    lead = f'<p class="lead">{escape(section.lead)}</p>' if section.lead else ""
    return Html(
        f'<section id="{_anchor(section.title)}">\n<h2>{escape(section.title)}</h2>\n{lead}\n'
        f"{section.content}\n</section>"
    )


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
