"""The candidates of the last runs as a Markdown page that any editor can open."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from apo_server.features.code_lens import score_in_words
from apo_server.features.plain import markdown, points, verbatim
from apo_server.knowledge import Knowledge, Rewrite, Winner


def page(name: str, known: Knowledge) -> str:
    """The page: the prompt's score, then what each candidate changes, with its evidence; the winner first.

    Scores on selection rows rank candidates; what a winner is worth is said by its verdict on unseen rows alone.
    """
    parts = [f"# Candidates for {markdown(name)}"]
    if known.score is not None:
        parts.append(f"Your prompt: {markdown(score_in_words(known.score))}.")
    winner = known.winner
    if winner is not None:
        parts.append(verdict_in_words(winner))
    parts.append("Scores below are on selection rows: they rank candidates and are no promise.")
    if winner is not None:
        made = ", ".join(winner.operators) or "edit"
        measured = [evidence(rewrite) for rewrite in known.rewrites if rewrite.id == winner.id]
        heading = f"## The winner `{winner.id}` ({made})"
        parts += [heading, *measured, *_cautions(winner.suspicions), _change(known, winner.text)]
    others = [rewrite for rewrite in known.rewrites if winner is None or rewrite.id != winner.id]
    for number, rewrite in enumerate(others, 1):
        heading = f"## {number}. {rewrite.operator} `{rewrite.id}`"
        parts += [heading, evidence(rewrite), *_cautions(rewrite.suspicions), _change(known, rewrite.text)]
    return "\n\n".join(parts) + "\n"


def verdict_in_words(winner: Winner) -> str:
    """What unseen rows say of the winner of a search."""
    verdict = winner.verdict
    if verdict is None:
        return "The run ended before its winner was judged on unseen rows."
    advice = "adopt it" if verdict.decision == "adopt" else "keep your prompt"
    return f"The winner on unseen rows: {markdown(verdict.words)} — {advice}."


def evidence(rewrite: Rewrite) -> str:
    """What a candidate scored on selection rows."""
    if rewrite.score is None:
        return "Not measured."
    words = f"{100 * rewrite.score:.1f} % on {rewrite.n} selection rows"
    if rewrite.against is not None:
        low, high = (points(end) for end in rewrite.against.interval)
        words += f", {points(rewrite.against.difference)} points to your prompt (interval {low} to {high})"
    return markdown(words) + "."


def _cautions(suspicions: Sequence[str]) -> list[str]:
    """What a reader should look at, as a list."""
    named = "\n".join(f"- it {markdown(suspicion)}" for suspicion in suspicions)
    return ["**Check first**:", named] if named else []


def _change(known: Knowledge, text: str) -> str:
    return verbatim(difference(known.text, text), "diff")


def difference(old: str, new: str) -> str:
    """What leads from one text to another, line by line."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "your prompt", "candidate", n=2, lineterm="")
    return "\n".join(lines)
