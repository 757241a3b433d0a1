"""The report as one HTML file that needs nothing else; its script and style are built from `client-vscode/report`."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from importlib.resources import files

import msgspec

from apo_engine.runs.report import Report
from apo_engine.unseen import is_unseen

# Could end the element that the data stand in, or begin another one.
_MARKUP = frozenset("<>&")
_NOT_PLAIN = re.compile(r"[<>&]|[^\x20-\x7e]")


def report_page(report: Report) -> str:
    """The page. Nothing in it is fetched, and nothing but its own script may run."""
    page = files("apo_engine.runs") / "page"
    script, style = ((page / name).read_text("utf-8") for name in ("report.js", "report.css"))
    data = _NOT_PLAIN.sub(_escaped, msgspec.json.encode(report).decode())
    policy = f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; base-uri 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(f'APO report {report.run}')}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<script type="application/json" id="report">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def _escaped(char: re.Match[str]) -> str:
    """Markup and what nobody sees in a text editor, such as a change of the writing direction, as JSON escapes it."""
    if char[0] in _MARKUP:
        return f"\\u{ord(char[0]):04x}"
    return json.dumps(char[0])[1:-1] if is_unseen(char[0]) else char[0]


def _source(text: str) -> str:
    """How a content security policy names exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
