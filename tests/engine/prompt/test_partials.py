from __future__ import annotations

from pathlib import Path

import pytest

from apo_engine.problems import InputError
from apo_engine.prompt.file import parse_prompt
from apo_engine.prompt.partials import load_partials, partial_path, partial_problems


def problems(text: str, files: dict[str, str | Exception]) -> list[tuple[str, str]]:
    """The code of each problem, and the text it is placed at."""
    prompt = parse_prompt(text, Path("/folder/main.prompt"))

    def read(path: Path, _folder: Path) -> str | None:
        found = files.get(path.name)
        if isinstance(found, Exception):
            raise found
        return found

    found = partial_problems(prompt, read)
    return [(one.code, one.place.span.of(text)) for one in found if one.place and one.place.span]


def test_sound_partials_have_no_problems() -> None:
    assert problems("{{> a}} {{> b}} {{> b}}", {"_a.prompt": "{{> b}}", "_b.prompt": "Hi"}) == []
    assert problems("Hi {{#> none}}fallback{{/none}}", {}) == []


def test_what_is_wrong_in_a_partial_is_shown_at_the_tag_that_leads_to_it() -> None:
    files: dict[str, str | Exception] = {
        "_a.prompt": "{{> b}}",
        "_b.prompt": "one\n{{#if x}}",
        "_d.prompt": OSError(13, "no"),
    }
    assert problems("{{> a}} {{> c}} {{> d}}", files) == [
        ("block-unclosed", "a"), ("partial-missing", "c"), ("partial-unreadable", "d"),
    ]  # fmt: skip


def test_a_circle_is_named_and_ends(tmp_path: Path) -> None:
    for name, text in {"a": "{{> b}}", "b": "{{> a}}"}.items():
        (tmp_path / f"_{name}.prompt").write_text(text)
    prompt = parse_prompt("{{> a}}", tmp_path / "main.prompt")
    with pytest.raises(InputError) as caught:
        load_partials(prompt)
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("partial-circle", "Partials include each other in a circle: a → b → a.")
    assert problem.place is not None
    assert problem.place.path == tmp_path / "_b.prompt"


def test_a_partial_that_is_not_there_names_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "_tone.prompt").write_text("Be kind.")
    text = "{{> tnoe}}"
    (problem,) = partial_problems(parse_prompt(text, tmp_path / "main.prompt"), lambda _path, _folder: None)
    (repair,) = problem.repairs
    ((span, word),) = repair.edits
    assert text[: span.start] + word + text[span.end :] == "{{> tone}}"


@pytest.mark.parametrize("name", ["../a", "sub/../../a", "/etc/x", "a\0b", "\ud800", "x" * 5000])
def test_no_partial_lies_outside_the_folder(name: str, tmp_path: Path) -> None:
    prompt = parse_prompt("Hi", tmp_path / "main.prompt")
    path = partial_path(prompt, name)
    assert path is None or path.is_relative_to(tmp_path)


def test_a_partial_lies_beside_the_prompt_or_below() -> None:
    prompt = parse_prompt("Hi", Path("/folder/main.prompt"))
    assert partial_path(prompt, "tone") == Path("/folder/_tone.prompt")
    assert partial_path(prompt, "sub/tone") == Path("/folder/sub/_tone.prompt")
    assert partial_path(parse_prompt("Hi"), "tone") is None


@pytest.mark.timeout(10)
def test_partials_that_multiply_are_refused_before_they_are_rendered() -> None:
    files: dict[str, str | Exception] = {f"_p{n}.prompt": f"{{{{> p{n + 1}}}}}{{{{> p{n + 1}}}}}" for n in range(40)}
    assert problems("Hi {{> p0}}", files | {"_p40.prompt": "Ha"}) == [("partial-large", "p0")]
    assert problems("Hi {{> p38}}", files | {"_p40.prompt": "Ha"}) == []
