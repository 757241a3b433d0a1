"""The candidates of the last runs as a Markdown page that any editor can open."""

from __future__ import annotations

from apo_server.features.code_lens import score_in_words
from apo_server.features.plain import markdown, points
from apo_server.knowledge import Knowledge, Rewrite


def page(name: str, known: Knowledge) -> str:
    """The page: the prompt's score, then each candidate with its evidence and its text.

    Scores on selection rows rank candidates; what a winner is worth is said by its verdict on unseen rows alone.
    """
    parts = [f"# Candidates for {markdown(name)}"]
    if known.score is not None:
        parts.append(f"Your prompt: {markdown(score_in_words(known.score))}.")
    if known.winner is not None and known.winner.verdict is not None:
        verdict = known.winner.verdict
        advice = "adopt it" if verdict.decision == "adopt" else "keep your prompt"
        parts.append(f"The winner on unseen rows: {markdown(verdict.words)} — {advice}.")
    parts.append("Scores below are on selection rows: they rank candidates and are no promise.")
    for number, rewrite in enumerate(known.rewrites, 1):
        crown = " — the winner" if known.winner is not None and known.winner.id == rewrite.id else ""
        parts.append(f"## {number}. {rewrite.operator} `{rewrite.id}`{crown}")
        parts.append(_evidence(rewrite))
        parts.append(_verbatim(rewrite.text))
    return "\n\n".join(parts) + "\n"


def _evidence(rewrite: Rewrite) -> str:
    if rewrite.score is None:
        return "Not measured."
    words = f"{100 * rewrite.score:.1f} % on {rewrite.n} selection rows"
    if rewrite.against is not None:
        low, high = (points(end) for end in rewrite.against.interval)
        words += f", {points(rewrite.against.difference)} points to your prompt (interval {low} to {high})"
    return markdown(words) + "."


def _verbatim(text: str) -> str:
    """A code block that the text cannot close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
