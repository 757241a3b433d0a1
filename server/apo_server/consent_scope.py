"""What a yes to a run covers, and the question that says so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from apo_engine.names import shown_file, shown_name
from apo_engine.search.events import Destination, FileRows, RunStarted
from apo_server.consent_file import FileScope, Grant, Recipient
from apo_server.documents import path_of

# A yes covers files that grow, up to this many times the rows that were counted.
_GROWTH = 2
_MOST_COLUMNS = 6


def needed_scope(workspace: str, started: RunStarted) -> Grant:
    """What a run needs: its hosts and roles, and exactly the rows and columns that it would send."""
    recipients = {Recipient(one.role, one.host, one.encrypted, one.proxy): None for one in started.destinations}
    files = tuple(
        FileScope(
            path=one.target or os.path.realpath(one.path),
            rows=one.shown,
            columns=tuple(sorted(one.columns)),
            answers=one.answers,
            sealed=one.sealed,
        )
        for one in started.files
        if one.shown
    )
    sealed = any(one.rows.holdout for one in started.destinations)
    return Grant(workspace, tuple(recipients), files, sealed, started.notices)


def granted_scope(needed: Grant) -> Grant:
    """What a yes to a run covers: the same hosts, roles, files and columns, and files that have grown since."""
    files = tuple(msgspec.structs.replace(one, rows=_GROWTH * one.rows) for one in needed.files)
    return msgspec.structs.replace(needed, files=files)


def question(workspace: str, started: RunStarted) -> str:
    """The question whether a run may send: what leaves, where to, for what, at what cost, and what a yes covers."""
    folder = path_of(workspace)
    prompt = shown_file(started.file, folder) if started.file else "the prompt"
    hosts = " and ".join(dict.fromkeys(one.host for one in started.destinations))
    usd = started.estimate.usd
    cost = f"about ${usd:.2f}" if usd is not None else "at a price that is not known"
    parts = [
        f"Send {prompt} and {_rows(started.files, folder)} to {hosts}?",
        *_recipients(started),
        f"At most {started.estimate.calls:,} calls, {cost}.",
        *started.notices,
        f"A yes covers later runs in this workspace: {_covered(started, folder)}.",
    ]
    return " ".join(parts)


def _rows(files: Iterable[FileRows], folder: Path | None) -> str:
    """What would leave of which file: ``140 rows of tickets.jsonl (60 more stay on this machine)``."""
    texts = []
    for file in files:
        link = f" (a link to {shown_name(file.target)})" if file.target else ""
        kept = f" ({file.kept:,} more stay on this machine)" if file.kept else ""
        texts.append(f"{_counted(file.shown, 'row')} of {shown_file(file.path, folder)}{link}{kept}")
    return " and ".join(texts)


def _recipients(started: RunStarted) -> list[str]:
    """What each host is sent for, and whether it is encrypted on its way."""
    by_host: dict[tuple[str, bool, str], list[str]] = {}
    for one in started.destinations:
        role = _role(one, rewrites=started.job != "evaluate")
        by_host.setdefault((one.host, one.encrypted, one.proxy), []).append(role)
    texts = []
    for (host, encrypted, proxy), roles in by_host.items():
        if encrypted:
            way = "encrypted"
        elif proxy:
            way = f"not encrypted, and the proxy {proxy} can read it; an https:// address would be safe"
        else:
            way = "not encrypted; an https:// address would be safe"
        texts.append(f"At {host}, {', and '.join(roles)} ({way}).")
    return texts


def _role(destination: Destination, *, rewrites: bool) -> str:
    """What a model is shown; where ``rewrites`` are tried, some quote critique rows as worked examples."""
    model, rows = shown_name(destination.model), destination.rows
    shown = _counted(rows.critique + rows.selection + rows.holdout, "row")
    if destination.role == "task":
        sealed = f", {rows.holdout:,} sealed ones for the verdict among them" if rows.holdout else ""
        quoted = ""
        if rewrites and rows.critique:
            quoted = f", by prompts that may quote {_counted(rows.critique, 'row')} with their expected answers"
        return f"{model} answers {shown}{sealed}{quoted}"
    if destination.role == "judge":
        return f"{model} grades the answers to {shown} by the expected ones"
    return f"{model} writes critiques and rewrites from at most {shown} and their expected answers"


def _covered(started: RunStarted, folder: Path | None) -> str:
    texts = []
    for file in started.files:
        if file.shown:
            names = [shown_name(name) for name in file.columns[:_MOST_COLUMNS]]
            more = len(file.columns) - len(names)
            columns = ", ".join([*names, *([f"{more:,} more"] if more > 0 else [])])
            most = _counted(_GROWTH * file.shown, "row")
            answers = f" and the expected answers in {shown_name(file.answers)}" if file.answers else ""
            texts.append(f"up to {most} of {shown_file(file.path, folder)} with the columns {columns}{answers}")
    sealed = any(one.rows.holdout for one in started.destinations)
    same = "hosts, roles and parameters" if started.notices else "hosts and roles"
    return f"{' and '.join(texts)}, {'sealed rows too' if sealed else 'no sealed rows'}, to the same {same}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
