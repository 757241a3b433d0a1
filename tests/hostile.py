"""Words that would do something where they are merely shown, and what shows that they did nothing."""

from __future__ import annotations

import json
import re
from typing import Any

from apo_engine.unseen import hidden
from tests.scripted.world import World, kind_of

#: For rows, answers, critiques and names alike; none holds template braces.
CORPUS = (
    "\x1b[2J\x1b[31m",
    "\x1b]8;;https://evil.example\x07here\x1b]8;;\x07",
    "\x9b31m \x07 \x08\x08 \x7f",
    "over\rwritten",
    "\u202etxt.exe\u2066 \u061c",
    "zero\u200bwidth\ufeff\u2060",
    "tag\U000e0041\U000e0042 selector\ufe01\U000e0101",
    "blank\u3164\u2800",
    "para\u2029graph\u2028",
    "[click](command:workbench.action.terminal.new)",
    "[click](https://evil.example)",
    "![p](https://evil.example/p.png)",
    "<https://evil.example> https://evil.example www.evil.example a-@evil.example",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "</script><script>alert(1)</script><!--",
    "```\n# Title\n```",
    "| a | b |\n|---|---|",
    "[ref]: https://evil.example\n\n[ref]",
    "&lt;b&gt; \\*x\\*",
    "[bold red]x[/] :smile: $(zap)",
)
#: All of it in one line, and what a file name can hold of it.
ALL = " ".join(CORPUS)
NAME = "t\u202e\x1b[1m[x](command:evil)<b>"
_BARE_ADDRESS = re.compile(r"(?<!\\)(://|@|(?<=www)\.)")
_LINK = re.compile(r"\]\(")


class HostileWorld(World):
    """A world whose rows, answers, critiques and rewrites are full of it."""

    def script(self, request: dict[str, Any]) -> str:
        answer = super().script(request)
        kind = kind_of(request)
        if kind == "gradient":
            found = json.loads(answer)
            for critique in found["critiques"]:
                critique["critique"] += f" {ALL} \ud800"
            return json.dumps(found)
        if kind == "edit":
            # What is copied from rows, or leads elsewhere, is discarded before anybody sees it.
            added = "\nBe \x1b[7m\u202ebrief\u200b, <b>`bold`</b> | *calm*.\n"
            return answer.replace("\n</new-prompt", f"{added}</new-prompt")
        if kind == "task":
            number = re.search(r"#(\d{4})", request["messages"][-1]["content"])
            return ALL if number and int(number[1]) % 10 == 3 else answer
        return answer

    def examples_text(self) -> str:
        rows = []
        for row in self.rows:
            label = row.concept.label
            rows.append(json.dumps({"text": f"{ALL} {row.text}", "label": label, f"column {ALL}": ALL}) + "\n")
        return "".join(rows)


def harmless(text: str) -> None:
    """Nothing in a text hides, or would be obeyed by a terminal."""
    found = {*hidden(text), *({"\r"} & set(text))}
    assert not found, f"{sorted(map(ascii, found))} in {text!r}"


def no_link(text: str) -> None:
    """Nothing in a text is made a link of by an editor that looks for some in messages."""
    harmless(text)
    assert not _LINK.search(text), text


def plain_markdown(text: str, *links: str) -> None:
    """Markdown that shows the corpus, and nothing of it as markup: no HTML, no image, no link but ours."""
    from markdown_it import MarkdownIt

    harmless(text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inner = [token for token in tokens if token.type == "inline" for token in token.children or ()]
    kinds = {token.type for token in (*tokens, *inner)}
    assert not kinds & {"html_block", "html_inline", "image"}, kinds
    found = [str(token.attrs.get("href")) for token in inner if token.type == "link_open"]
    assert set(found) <= set(links), found
    shown = "".join(token.content for token in inner if token.type == "text")
    # What renderers link by themselves is broken up by escapes, which the parser turns back into text.
    assert not _BARE_ADDRESS.search(_without_blocks(text)), shown
    titles = [token for token in inner if token.content == "Title"]
    assert not titles, "the corpus makes no heading"


def _without_blocks(text: str) -> str:
    """The text outside of fenced blocks, where nothing is read as markup."""
    return re.sub(r"(?ms)^(`{3,})[^`\n]*\n.*?\n\1$", "", text)
