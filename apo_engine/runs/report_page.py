"""The report as one HTML file that needs nothing else; its script and style are built from `client-vscode/report`."""

from __future__ import annotations

import base64
import hashlib
import html
from importlib.resources import files

import msgspec

from apo_engine.runs.report import Report

# What could end the element that the data stand in, or begin another one, is spelled out; JSON reads it back.
_SPELLED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def report_page(report: Report) -> str:
    """The page. Nothing in it is fetched, and nothing but its own script may run."""
    page = files("apo_engine.runs") / "page"
    script, style = ((page / name).read_text("utf-8") for name in ("report.js", "report.css"))
    data = msgspec.json.encode(report).decode().translate(_SPELLED)
    policy = f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; base-uri 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(f'APO report {report.run}')}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<script type="application/json" id="report">{data}</script>\n<script>{script}</script>\n</body>\n</html>\n'
    )


def _source(text: str) -> str:
    """How a content security policy names exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
