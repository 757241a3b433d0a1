"""The commands that show a page about a prompt, in Markdown, which every editor can open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from apo_engine.problems import Severity
from apo_server.jobs import Order
from apo_server.server import ApoLanguageServer
from apo_server.view import PromptView


async def show_candidates(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.showCandidates`: what the candidates of a prompt change, and what that is worth."""
    from apo_server.features import candidates

    view = _view(ls, arguments)
    if view is None:
        return
    known, name = view.known, _name(view)
    if known is None or not (known.rewrites or known.winner):
        ls.screen.tell("There are no candidates yet. Find critiques or optimize first.", Severity.INFORMATION)
        return
    await _show(ls, view, "candidates", lambda: candidates.page(name, known))


async def open_report(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.openReport`: all that is known of a prompt."""
    from apo_server.features import report_page

    view = _view(ls, arguments)
    if view is None:
        return
    known, name, current = view.known, _name(view), view.current
    if known is None:
        ls.screen.tell("Nothing is known of this prompt yet. Evaluate or optimize it first.", Severity.INFORMATION)
        return
    await _show(ls, view, "report", lambda: report_page.page(name, known, current=current))


async def explain_critique(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.explainCritique`: the prompt's address and the critique's id."""
    from apo_server.features import critique_page

    view = _view(ls, arguments)
    if view is None:
        return
    known, name, roots = view.known, _name(view), ls.session.texts.roots
    wanted = str(arguments[1]) if len(arguments) > 1 else ""
    finding = next((one for one in known.findings if one.id == wanted), None) if known else None
    if known is None or finding is None:
        ls.screen.tell("This critique is not known any more.", Severity.INFORMATION)
        return
    await _show(ls, view, "critique", lambda: critique_page.page(name, known, finding, roots))


async def run_row(ls: ApoLanguageServer, *arguments: object) -> None:
    """`apo.runRow`: the prompt's address, the row's 1-based line, and its file where the prompt has several."""
    from apo_server.features import row_page

    view = _view(ls, arguments)
    line = arguments[1] if len(arguments) > 1 else None
    if view is None or view.document.path is None or not isinstance(line, (int, float)):
        return
    files = view.facts.files if view.facts else ()
    file = str(arguments[2]) if len(arguments) > 2 else files[0].path if files else ""
    if not ls.session.settings.trusted:
        ls.screen.tell("This workspace is not trusted: prompts are checked, and not run.", Severity.WARNING)
        return
    order = Order(view.document.uri, view.document.path, view.prompt.text, "evaluate", asked=True)
    row = await ls.runner.answer(order, Path(file), int(line))
    if row is not None:
        name = _name(view)
        await _show(ls, view, "row", lambda: row_page.page(name, row))


def _view(ls: ApoLanguageServer, arguments: tuple[object, ...]) -> PromptView | None:
    uri = ls.named(arguments)
    view = ls.session.view(uri) if uri is not None else None
    if uri is not None and (view is None or view.document.path is None):
        ls.screen.tell("Open the prompt, and save it to a file, first.", Severity.WARNING)
        return None
    return view


def _name(view: PromptView) -> str:
    return view.document.path.name if view.document.path else "the prompt"


async def _show(ls: ApoLanguageServer, view: PromptView, kind: str, page: Callable[[], str]) -> None:
    path, store = view.document.path, ls.session.store
    assert path is not None
    try:
        file = await asyncio.to_thread(lambda: store.save_page(path, kind, page()))
    except OSError as error:
        ls.screen.tell(
            f"The {kind} page cannot be written into {ls.session.cache}: {error.strerror}.", Severity.WARNING
        )
        return
    await ls.screen.show_page(file)
