"""The licences of what a user gets: ``python -m requirements.licences`` writes the table in `docs/licences.md`."""

from __future__ import annotations

from requirements.components import HERE, components

TABLE = HERE.parent / "docs" / "licences.md"
# Each lets anybody use and pass on the program; the Mozilla licence asks for changes to its own files alone.
ALLOWED = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BlueOak-1.0.0",
        "CNRI-Python",
        "ISC",
        "MIT",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
    }
)
# Used only by who asks for the embedded model, whose weights have terms of their own.
ALLOWED_WEIGHTS = "LicenseRef-Gemma"


def table() -> str:
    """The table, as Markdown."""
    lines = [
        "# Licences of what is installed",
        "",
        "Written by `python -m requirements.licences` from the lock files; *optional* comes with the embedded model.",
        "",
        "| Package | Version | Licence | |",
        "| --- | --- | --- | --- |",
    ]
    for one in components():
        lines.append(f"| {one.kind}: {one.name} | {one.version} | {one.licence} | {'optional' * one.optional} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
