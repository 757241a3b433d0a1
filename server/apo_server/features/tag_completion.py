"""What may be written in a tag: inputs, helpers, roles, partials and markers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from apo_engine.positions import Span
from apo_engine.prompt.helpers import BLOCK_HELPERS, INLINE_HELPERS, ROLES
from apo_server.features.plain import visible
from apo_server.features.template_words import DATA, HELPERS, MARKERS, ROLE_WORDS
from apo_server.inputs import Input, inputs_of
from apo_server.proposals import Kind, Proposal, Proposals, entries
from apo_server.tag_caret import Block, TagCaret, tag_caret
from apo_server.view import PromptView

_ITEM_DATA = ("@index", "@first", "@last", "@key")
_PARTIAL = ".prompt"


def tag_proposals(view: PromptView, offset: int, roots: Collection[Path]) -> Proposals | None:
    """What may be written at an offset; None outside of tags."""
    caret = tag_caret(view.prompt, offset)
    if caret is None:
        return None
    if caret.slot == "marker":
        return Proposals(caret.word, tuple(_markers(caret)))
    if caret.slot == "partial":
        return Proposals(caret.word, tuple(_partials(view, caret, roots)))
    if caret.slot == "role":
        return Proposals(caret.word, tuple(_roles(caret)))
    if caret.slot == "close":
        last = caret.blocks[-1:]
        return Proposals(
            caret.word, tuple(_ending(Proposal(b.name, Kind.Keyword, b.name, rank=0), caret) for b in last)
        )
    found: list[Proposal] = []
    if caret.slot in ("head", "argument"):
        found += _variables(view, caret)
    if caret.slot in ("head", "call"):
        found += _inline_helpers(caret)
    if caret.slot in ("head", "block"):
        sign = "#" if caret.slot == "head" else ""
        found += (_block_helper(name, sign, caret) for name in BLOCK_HELPERS)
    if caret.slot == "head" and caret.blocks:
        found.append(_ending(Proposal("else", Kind.Keyword, "else", words=HELPERS["else"], rank=4), caret))
        name = caret.blocks[-1].name
        found.append(_ending(Proposal(f"/{name}", Kind.Keyword, f"/{name}", "closes the block", rank=4), caret))
    return Proposals(caret.word, tuple(found))


def _ending(proposal: Proposal, caret: TagCaret, closer: str = "}}") -> Proposal:
    """The same, with the end of the tag where it has none."""
    if caret.closed:
        return proposal
    return Proposal(
        proposal.label,
        proposal.kind,
        (proposal.insert or proposal.label) + closer,
        proposal.detail,
        proposal.words,
        proposal.rank,
    )


def _variables(view: PromptView, caret: TagCaret) -> Iterator[Proposal]:
    typed = caret.word.of(view.prompt.text)
    lead, dot, _ = typed.rpartition(".")
    inputs = inputs_of(view)
    if dot and not typed.startswith("."):
        for field in _fields(lead, caret.blocks, inputs):
            yield _variable(f"{lead}.{field.written}", field, 0, caret)
        return
    inward = [block for block in caret.blocks if block.path]
    for block in caret.blocks:
        for name in block.binds:
            yield _bare(Proposal(name, Kind.Variable, name, f"bound by {{{{#{block.name}}}}}", rank=0), caret)
    if inward:
        for field in _fields("this", caret.blocks, inputs):
            yield _variable(field.written, field, 0, caret)
        yield _bare(Proposal("this", Kind.Variable, "this", "the item itself", rank=1), caret)
        names = _ITEM_DATA if inward[-1].name == "each" else ()
        for name in names:
            yield _bare(Proposal(name, Kind.Variable, name, words=DATA[name], rank=3), caret)
    for one in inputs:
        yield _variable(f"@root.{one.written}" if inward else one.written, one, 2 if inward else 0, caret)
    if typed.startswith("@"):
        yield Proposal("@root", Kind.Variable, "@root.", words=DATA["@root"], rank=6)
    known = {one.name for one in inputs}
    for name, span in view.prompt.variables:
        if name not in known and not span.overlaps(caret.word) and not span.contains(caret.word.end):
            known.add(name)
            yield _variable(f"@root.{Input(name).written}" if inward else Input(name).written, Input(name), 4, caret)


def _variable(written: str, one: Input, rank: int, caret: TagCaret) -> Proposal:
    values = ", ".join(visible(value) for value in one.column.values) if one.column else ""
    detail = visible(one.declaration) or ("a column of the rows" if one.column else "")
    words = f"In the rows: {values}" if values else ""
    return _bare(Proposal(visible(written), Kind.Variable, written, detail, words, rank), caret)


def _bare(proposal: Proposal, caret: TagCaret) -> Proposal:
    """A variable is the whole tag where it stands at its head."""
    return _ending(proposal, caret) if caret.slot == "head" else proposal


def _fields(path: str, blocks: tuple[Block, ...], inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    """The declared fields of what a path leads to; bound names and ``this`` stand for what their block goes into."""
    here, rest = inputs, path
    for _ in range(len(blocks) + 1):
        first, _, after = rest.partition(".")
        if first == "@root":
            rest = after
            break
        bound = next((n for n in range(len(blocks) - 1, -1, -1) if first in blocks[n].binds[:1]), None)
        if first == "this":
            bound = next((n for n in range(len(blocks) - 1, -1, -1) if blocks[n].path), None)
        if bound is None:
            break
        rest, blocks = ".".join(part for part in (blocks[bound].path, after) if part), blocks[:bound]
    for name in rest.split(".") if rest else ():
        here = next((one.fields for one in here if one.written == name), ())
    return here


def _inline_helpers(caret: TagCaret) -> Iterator[Proposal]:
    for name in INLINE_HELPERS:
        if name == "role" and caret.slot == "head":
            for role in ROLES:
                proposal = Proposal(f'role "{role}"', Kind.Keyword, f'role "{role}"', words=ROLE_WORDS[role], rank=4)
                yield _ending(proposal, caret)
        elif name == "history":
            yield _ending(Proposal(name, Kind.Function, name, words=HELPERS[name], rank=5), caret)
        elif name != "role":
            yield Proposal(name, Kind.Function, f"{name} ", words=HELPERS[name], rank=5)


def _block_helper(name: str, sign: str, caret: TagCaret) -> Proposal:
    plain = f"{sign}{name} "
    hole = {
        "each": "${1:items} as |${2:item}|",
        "ifEquals": "${1:value} ${2:other}",
        "unlessEquals": "${1:value} ${2:other}",
    }.get(name, "${1:value}")
    # Within a tag that ends already, only its beginning is to be written.
    snippet = "" if caret.closed else f"{sign}{name} {hole}}}}}$0{{{{/{name}}}}}"
    return Proposal(f"{sign}{name}", Kind.Keyword, plain, "a block", HELPERS[name], 5, snippet)


def _roles(caret: TagCaret) -> Iterator[Proposal]:
    for role in ROLES:
        insert = role if caret.quoted else f'"{role}"'
        yield _ending(
            Proposal(role, Kind.EnumMember, insert, words=ROLE_WORDS[role], rank=1),
            caret,
            '"}}' if caret.quoted else "}}",
        )


def _markers(caret: TagCaret) -> Iterator[Proposal]:
    for rank, (marker, words) in enumerate(MARKERS.items()):
        yield _ending(Proposal(marker, Kind.Keyword, marker, words=words, rank=rank), caret, " --}}")


def _partials(view: PromptView, caret: TagCaret, roots: Collection[Path]) -> Iterator[Proposal]:
    path = view.document.path
    typed = caret.word.of(view.prompt.text)
    if path is None or typed.startswith("/") or ".." in typed or "\0" in typed:
        return
    folder = Span(0, typed.rfind("/") + 1).of(typed)
    for name, is_folder in sorted(entries(path.parent, folder, roots)):
        if is_folder:
            yield Proposal(f"{folder}{name}/", Kind.Folder, f"{folder}{name}/", rank=6)
        elif name.startswith("_") and name.endswith(_PARTIAL) and name != path.name:
            stem = folder + name[1 : -len(_PARTIAL)]
            yield _ending(Proposal(stem, Kind.File, stem, name, rank=1), caret)
