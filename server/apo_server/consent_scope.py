"""What a yes to a run covers, and the question that says so."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo_engine.names import shown_file, shown_name
from apo_engine.problems import InputError, Problem
from apo_engine.search.events import Destination, FileRows, IncludedFile, RunStarted
from apo_server.addresses import path_of
from apo_server.consent_file import FileScope, Grant, IncludedText, Recipient
from apo_server.features.plain import said

# A yes covers files that grow, up to this many times the rows, the calls and the cost that were counted.
_GROWTH = 2
# Editors cut longer questions. A few characters are theirs: the server's name in front, say.
_LONGEST = 990


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of a question its lists may take: so many files and columns of each, in names of that width.

    With ``hosts_once``, hosts are named with what they are sent, and not before.
    """

    files: int
    columns: int
    width: int = 64
    hosts_once: bool = False


# The first with which a question is short enough is taken. Hosts, notices, the number of rows and the cost stay.
_ROOMS = (
    _Room(8, 6),
    _Room(4, 3, 48),
    _Room(2, 2, 32),
    _Room(1, 1, 24, hosts_once=True),
    _Room(0, 0, 16, hosts_once=True),
)
_IN_FULL = _Room(10**9, 10**9, 1000)


def needed_scope(workspace: str, started: RunStarted) -> Grant:
    """What a run needs: its hosts and roles, exactly the rows, columns and texts that it would send, calls and cost."""
    recipients = {Recipient(one.role, one.host, one.encrypted, one.proxy): None for one in started.destinations}
    files = tuple(
        FileScope(
            path=one.target or os.path.realpath(one.path),
            rows=one.shown,
            columns=tuple(sorted(one.columns)),
            answers=one.answers,
            kept=one.kept,
        )
        for one in started.files
        if one.shown
    )
    sealed = any(one.rows.holdout for one in started.destinations)
    calls, usd = started.estimate.calls, started.estimate.usd
    known = usd if usd is not None and math.isfinite(usd) else None
    texts = tuple(dict.fromkeys(map(_text_of, started.included)))
    return Grant(workspace, tuple(recipients), files, sealed, started.notices, calls, known, texts)


def _text_of(file: IncludedFile) -> IncludedText:
    return IncludedText(file.target or os.path.realpath(file.path), file.digest)


def granted_scope(needed: Grant) -> Grant:
    """What a yes to a run covers: the same hosts, roles, files and columns, and files that have grown since."""
    files = tuple(msgspec.structs.replace(one, rows=_GROWTH * one.rows) for one in needed.files)
    usd = _most_usd(needed.usd)
    return msgspec.structs.replace(needed, files=files, calls=_GROWTH * needed.calls, usd=usd)


def question(workspace: str, started: RunStarted, agreed: Sequence[Grant] = ()) -> str:
    """The question whether a run may send, in less than 1,000 characters.

    It says what leaves, where to, for what, at what cost, and what a yes covers; and which texts are not those that
    were ``agreed`` to. Where files and columns are many, it refers to the log for the rest (`question_in_full`).

    Raises:
        InputError: it cannot name every host, role, notice and the cost in that length; the code is
            ``consent-too-long``.
    """
    for room in _ROOMS:
        words = _question(workspace, started, agreed, room)
        if len(said(words)) <= _LONGEST:
            return words
    message = (
        "Nothing was sent: this run needs your consent, and its hosts, models, special parameters and cost do not fit "
        "into one question."
    )
    remedy = "Use fewer such parameters or hosts with shorter names, or start the run with 'apo' in a terminal."
    raise InputError(Problem("consent-too-long", message, remedy))


def question_in_full(workspace: str, started: RunStarted, agreed: Sequence[Grant] = ()) -> str:
    """The question with every file and column, however long it is: for the log."""
    return _question(workspace, started, agreed, _IN_FULL)


def _question(workspace: str, started: RunStarted, agreed: Sequence[Grant], room: _Room) -> str:
    folder = path_of(workspace)
    prompt = _shown(started.file, folder, room) if started.file else "the prompt"
    hosts = list(dict.fromkeys(one.host for one in started.destinations))
    to = _counted(len(hosts), "host") if room.hosts_once else " and ".join(hosts)
    estimate = needed_scope(workspace, started)
    cost = f"about ${estimate.usd:,.2f}" if estimate.usd is not None else "at an unknown price"
    included = _included(started.included, _changes(started.included, estimate, agreed), folder, room)
    prompts = ", ".join([prompt, *included])
    parts = [
        f"Send {prompts} and {_rows(started.files, folder, room)} to {to}?",
        *_recipients(started, room),
        f"At most {_counted(estimate.calls, 'call')}, {cost}.",
        *started.notices,
        f"A yes covers later runs in this workspace: {_covered(started, granted_scope(estimate), folder, room)}.",
        *_asked_again(started.included, folder, room),
    ]
    return " ".join(parts)


def _changes(files: Iterable[IncludedFile], needed: Grant, agreed: Iterable[Grant]) -> Mapping[IncludedFile, str]:
    """Which texts the user has not agreed to, though to others of the workspace, and why not."""
    here = [grant for grant in agreed if grant.workspace == needed.workspace]
    known = {text for grant in here for text in grant.texts}
    paths = {text.path for text in known}
    # Beside a yes to all else, the texts are why the user is asked.
    without = msgspec.structs.replace(needed, texts=())
    remark = "new since you agreed" if any(grant.covers(without) for grant in here) else ""
    texts = {file: text for file in files if (text := _text_of(file)) not in known}
    changes = {file: "changed since you agreed" if text.path in paths else remark for file, text in texts.items()}
    return {file: words for file, words in changes.items() if words}


def _included(
    files: Sequence[IncludedFile], changes: Mapping[IncludedFile, str], folder: Path | None, room: _Room
) -> list[str]:
    """The included files, those that changed and links first; the rest is counted."""
    if len(files) > room.files:
        files = sorted(files, key=lambda file: (file not in changes, not file.target))
    texts = []
    for file in files[: room.files]:
        link = f"a link to {shown_name(file.target, room.width)}" if file.target else ""
        remarks = ", ".join(filter(None, (link, changes.get(file))))
        texts.append(_shown(file.path, folder, room) + (f" ({remarks})" if remarks else ""))
    others = files[room.files :]
    if others:
        changed = sum(file in changes for file in others)
        remark = f"; {changed:,} changed or new since you agreed" if changed else ""
        texts.append(f"{_counted(len(others), 'more prompt file')} (listed in the log{remark})")
    return texts


def _asked_again(files: Sequence[IncludedFile], folder: Path | None, room: _Room) -> list[str]:
    if not files:
        return []
    if len(files) > 1:
        return [f"You are asked again when one of the other {len(files):,} prompt files changes."]
    name = _shown(files[0].path, folder, room) if room.files else "the other prompt file"
    return [f"You are asked again when {name} changes."]


def _rows(files: Sequence[FileRows], folder: Path | None, room: _Room) -> str:
    """What would leave of which file: ``140 rows of tickets.jsonl (60 more stay on this machine)``."""
    texts = []
    named, others = _named(files, room)
    for file in named:
        link = f" (a link to {shown_name(file.target, room.width)})" if file.target else ""
        texts.append(f"{_counted(file.shown, 'row')} of {_shown(file.path, folder, room)}{link}{_kept([file])}")
    if others:
        in_all = f"; {_counted(_sum(files), 'row')} in all" if named else ""
        count = _count_of(others, files)
        texts.append(f"{_counted(_sum(others), 'row')} of {count} (listed in the log{in_all}){_kept(others)}")
    return " and ".join(texts)


def _named(files: Sequence[FileRows], room: _Room) -> tuple[Sequence[FileRows], Sequence[FileRows]]:
    """The files that a question names, and the others. Links, and the files of the most rows, are named first."""
    if len(files) > room.files:
        files = sorted(files, key=lambda file: (not file.target, -file.shown))
    return files[: room.files], files[room.files :]


def _kept(files: Sequence[FileRows]) -> str:
    kept = sum(file.kept for file in files)
    return f" ({kept:,} more stay on this machine)" if kept else ""


def _sum(files: Sequence[FileRows]) -> int:
    return sum(file.shown for file in files)


def _count_of(others: Sequence[FileRows], files: Sequence[FileRows]) -> str:
    return _counted(len(others), "more file" if len(others) < len(files) else "file")


def _shown(path: str, folder: Path | None, room: _Room) -> str:
    """A file as it lies below ``folder``, whose links are followed: so are those on the way to the file."""
    return shown_file(Path(os.path.realpath(Path(path).parent), Path(path).name), folder, room.width)


def _recipients(started: RunStarted, room: _Room) -> list[str]:
    """What each host is sent for, and whether it is encrypted on its way."""
    by_host: dict[tuple[str, bool, str], list[str]] = {}
    for one in started.destinations:
        role = _role(one, room, rewrites=started.job != "evaluate")
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


def _role(destination: Destination, room: _Room, *, rewrites: bool) -> str:
    """What a model is shown; where ``rewrites`` are tried, some quote critique rows as worked examples."""
    model, rows = shown_name(destination.model, room.width), destination.rows
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


def _covered(started: RunStarted, grant: Grant, folder: Path | None, room: _Room) -> str:
    texts = []
    files = [file for file in started.files if file.shown]
    named, others = _named(files, room)
    for file in named:
        most = _counted(_GROWTH * file.shown, "row")
        answers = f" and the expected answers in {shown_name(file.answers, room.width)}" if file.answers else ""
        columns = _columns(file.columns, room)
        texts.append(f"up to {most} of {_shown(file.path, folder, room)} with {columns}{answers}")
    if others:
        columns = _counted(len({column for file in others for column in file.columns}), "column")
        answers = " and the expected answers" if any(file.answers for file in others) else ""
        most = _counted(_GROWTH * _sum(others), "row")
        texts.append(f"up to {most} of {_count_of(others, files)} with {columns}{answers}")
    same = "hosts, roles and parameters" if started.notices else "hosts and roles"
    sealed = "sealed rows too" if grant.sealed else "no sealed rows"
    calls = f"up to {_counted(grant.calls, 'call')}"
    cost = f" and about ${grant.usd:,.2f} a run" if grant.usd is not None else " a run at an unknown price"
    return f"{' and '.join(texts)}, {sealed}, {calls}{cost}, to the same {same}"


def _columns(columns: Sequence[str], room: _Room) -> str:
    if not room.columns:
        return _counted(len(columns), "column")
    names = [shown_name(name, room.width) for name in columns[: room.columns]]
    more = len(columns) - len(names)
    return f"the columns {', '.join([*names, *([f'{more:,} more'] if more > 0 else [])])}"


def _most_usd(usd: float | None) -> float | None:
    """The cost that a yes covers: in whole cents, as the question says it."""
    if usd is None or not math.isfinite(cents := 100 * _GROWTH * usd):
        return usd
    return max(usd, math.ceil(round(cents, 6)) / 100)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
