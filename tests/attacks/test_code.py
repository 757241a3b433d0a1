"""Nothing of a workspace runs before it is trusted, and then only what was agreed to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from apo_engine.child_environment import engine_environment, metric_environment
from apo_engine.child_process import python_command, start_child
from apo_engine.evaluation.function import FunctionGrader, find_function
from apo_engine.evaluation.metric_sources import MOST_BYTES, MOST_MODULES
from apo_engine.machine import user_variables
from apo_engine.problems import InputError
from apo_engine.settings import Layer, resolve
from tests.attacks.hostile_loaders import LOADERS
from tests.attacks.hostile_metric import METRICS, RAN, SCORE, Prepare, evil, holds, links, together
from tests.cli.conftest import APO, Apo, apo
from tests.engine.table_model import row

__all__ = ["apo"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the prompt."""
    folder = tmp_path / "clone"
    folder.mkdir()
    return folder


async def scored(
    folder: Path, after: Prepare, environ: Mapping[str, str] | None = None, workspaces: Sequence[Path] = ()
) -> float:
    function = find_function("score:score", folder)
    after(folder)
    environ = metric_environment(os.environ, ()) if environ is None else environ
    grader = FunctionGrader(function, environ, workspaces=workspaces)
    try:
        await grader.open()
        return (await grader.grade(row(1), "yes")).score
    finally:
        await grader.close()


@pytest.mark.parametrize("name", [*METRICS, *LOADERS])
async def test_a_metric_runs_no_other_code_than_was_agreed_to(folder: Path, name: str) -> None:
    attack = {**METRICS, **LOADERS}[name]
    (folder / "score.py").write_text(attack.source)
    attack.before(folder)
    if attack.refused:
        with pytest.raises(InputError, match=attack.refused) as caught:
            await scored(folder, attack.after)
        assert attack.remedy in str(caught.value)
    else:
        assert await scored(folder, attack.after) == 1.0
    assert not (folder / RAN).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are copied on POSIX")
@pytest.mark.parametrize("leaves", ["", "os.setsid(); "], ids=["stays", "leaves its group"])
async def test_a_process_that_a_metric_starts_keeps_no_run_alive(folder: Path, leaves: str) -> None:
    source = f"import os, time\nif os.fork() == 0:\n    {leaves}time.sleep(40); os._exit(0)\n"
    (folder / "score.py").write_text(source + SCORE)
    begun = time.monotonic()
    assert await scored(folder, lambda _: None) == 1.0
    assert time.monotonic() - begun < 20


FORGED = {
    "no JSON": "no score",
    "no object": "[1]",
    "no score": "{}",
    "a score beyond all": '{"score": 1e999}',
    "a score that is no number": '{"score": NaN}',
    "depth without end": "[" * 100_000,
    "bytes that are no text": "\udcff",
    "a place without a line": '{"error": "x", "file": "/etc/passwd", "line": "x"}',
    "a file of the system": '{"error": "is fine", "file": "/etc/passwd", "line": 7}',
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_metric_that_writes_its_own_replies_is_refused_at_its_own_file(folder: Path, name: str) -> None:
    # The metric writes to every descriptor that it has.
    reply = FORGED[name].encode("utf-8", "surrogateescape") + b"\n"
    source = "import os\ndef score(answer, expected):\n    for number in range(3, 20):\n        try:\n"
    source += f"            os.write(number, {reply!r})\n        except OSError:\n            pass\n    return 1.0\n"
    (folder / "score.py").write_text(source)
    with pytest.raises(InputError) as caught:
        await scored(folder, lambda _: None)
    (problem,) = caught.value.problems
    assert problem.place
    assert problem.place.path == folder / "score.py"


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        pytest.param(links("score.py", "helper.py"), "metric-outside", id="the metric is a link"),
        pytest.param(links("helper.py", "helper.py"), "metric-outside", id="what it imports is a link"),
        pytest.param(links("helper", "package"), "metric-outside", id="a package is a link"),
        pytest.param(lambda folder: os.mkfifo(folder / "helper.py"), None, id="a pipe, which never ends"),
        pytest.param(
            lambda folder: (folder / "helper.py").symlink_to("/dev/zero"), None, id="a device, which never ends"
        ),
        pytest.param(holds("helper.py", "#" * (MOST_BYTES + 1)), "metric-too-large", id="a module nobody can read"),
        pytest.param(
            together(
                holds("helper.py", "".join(f"import m{n}\n" for n in range(MOST_MODULES))),
                *(holds(f"m{n}.py") for n in range(MOST_MODULES)),
            ),
            "metric-too-large",
            id="more modules than anybody can read",
        ),
    ],
)
def test_what_nobody_can_read_and_agree_to_is_refused_at_once(folder: Path, prepare: Prepare, code: str | None) -> None:
    (folder / "score.py").write_text(f"import helper\n{SCORE}")
    prepare(folder)
    if code is None:
        assert find_function("score:score", folder).files == ("score.py",)
        return
    with pytest.raises(InputError) as caught:
        find_function("score:score", folder)
    assert caught.value.problems[0].code == code


# `httpx2` and `genai_prices` ask for their own versions as they are imported.
PACKAGES = {
    "a package that asks for its own version": "import httpx2\nassert httpx2.__version__[0].isdigit()",
    "another one": "import genai_prices\nassert genai_prices.__version__[0].isdigit()",
    "a version": "from importlib.metadata import version\nassert version('msgspec')[0].isdigit()",
    "the list of all": "from importlib import metadata\nassert 'msgspec' in {d.name for d in metadata.distributions()}",
    "an entry point": (
        "from importlib.metadata import entry_points\n"
        "(command,) = entry_points(group='console_scripts', name='apo')\nassert callable(command.load())"
    ),
    "the files of a package": "from importlib.metadata import files\nassert files('msgspec')",
}


@pytest.mark.parametrize("name", PACKAGES)
async def test_a_metric_is_told_of_installed_packages(folder: Path, name: str) -> None:
    (folder / "score.py").write_text(f"{PACKAGES[name]}\n{SCORE}")
    assert await scored(folder, lambda _: None) == 1.0


@pytest.mark.parametrize("opened", ["", "src", "prompts"])
@pytest.mark.parametrize("above", [0, 1, 2])
async def test_a_workspace_beside_installed_packages_is_not_installed(
    opened: str, above: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clone that lies in a folder of Python's module path, or that is one, has no module that nobody agreed to."""
    prompts = folder / "prompts"
    prompts.mkdir()
    monkeypatch.syspath_prepend(str([folder, *folder.parents][above]))
    (folder / "helper.py").write_text(evil(folder))
    (prompts / "score.py").write_text(
        f"import importlib, sys\nsys.path.insert(0, {str(folder)!r})\nimportlib.import_module('hel' + 'per')\n{SCORE}"
    )
    with pytest.raises(InputError, match="code that nobody has agreed to"):
        await scored(prompts, lambda _: None, workspaces=[folder, folder / opened])
    assert not (folder / RAN).exists()


async def test_packages_around_and_in_a_workspace_are_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "prompts").mkdir()
    packages = folder / ".venv" / "lib" / "site-packages"
    for root, name in ((packages, "within"), (folder.parent, "around")):
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.py").write_text("RIGHT = 1\n")
        monkeypatch.syspath_prepend(str(root))
    (folder / "prompts" / "score.py").write_text(f"import within, around\n{SCORE}")
    assert await scored(folder / "prompts", lambda _: None, workspaces=[folder]) == 1.0


async def test_what_a_folder_says_of_packages_runs_nothing(folder: Path) -> None:
    """A clone that brings the description of a package, with an entry point, has none of its modules run by that."""
    info = folder / "planted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[planted]\nx = planted:run\n")
    (folder / "planted.py").write_text(evil(folder))
    look = "from importlib import metadata\nassert not metadata.entry_points(group='planted')\n"
    (folder / "score.py").write_text(look + SCORE)
    assert await scored(folder, lambda _: None) == 1.0
    point = "metadata.EntryPoint('x', 'planted:run', 'planted').load()\n"
    named = f"import os, sys\nfrom importlib import metadata\nsys.path.append({str(folder)!r})\n{point}"
    (folder / "score.py").write_text(named + SCORE)
    with pytest.raises(InputError, match="code that nobody has agreed to"):
        await scored(folder, lambda _: None)
    assert not (folder / RAN).exists()


@pytest.mark.parametrize("module", ["json", "asyncio", "apo_engine"])
async def test_a_metric_cannot_have_the_name_of_what_runs_already(folder: Path, module: str) -> None:
    (folder / f"{module}.py").write_text(evil(folder))
    with pytest.raises(InputError, match=r"has the name of a module of Python's own|Python has a module 'apo_engine'"):
        await FunctionGrader(find_function(f"{module}:score", folder), metric_environment(os.environ, ())).open()
    assert not (folder / RAN).exists()


CHANGES = {
    "a plain import": ("import helper", "helper.py"),
    "an import in a function": ("def late():\n    import helper", "helper.py"),
    "an import that may fail": ("try:\n    import helper\nexcept ImportError:\n    helper = None", "helper.py"),
    "an import under a condition": ("import sys\nif sys.version_info < (3,):\n    import helper", "helper.py"),
    "a name from a module": ("from helper import x", "helper.py"),
    "a module of a package": ("from pack import helper", "pack/helper.py"),
    "the package of a module": ("from pack import helper", "pack/__init__.py"),
    "a package without a file": ("import space.helper", "space/helper.py"),
    "what a package offers to all": ("from pack import *", "pack/offered.py"),
    "an import of an import": ("import chain", "helper.py"),
    "a relative import": ("import pack", "pack/near.py"),
    "a name given as text": ("import importlib\nimportlib.import_module('helper')", "helper.py"),
    "a name given to __import__": ("__import__('helper')", "helper.py"),
    "a module that brings its encoding": ("import latin", "latin.py"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_anything_that_would_run_is_other_code(folder: Path, name: str) -> None:
    statement, file = CHANGES[name]
    modules = {
        "score.py": f"{statement}\n{SCORE}",
        "helper.py": "x = 1\n",
        "chain.py": "import helper\n",
        "pack/__init__.py": "from . import near\n__all__ = ['offered']\n",
        "pack/near.py": "",
        "pack/helper.py": "",
        "pack/offered.py": "",
        "space/helper.py": "",
        "latin.py": "# coding: latin-1\nx = 1\n",
    }
    for module, text in modules.items():
        holds(module, text)(folder)
    before = find_function("score:score", folder)
    assert before.files[0] == "score.py"
    assert file in before.files, "the question names every file"
    (folder / file).write_text((folder / file).read_text() + "# changed\n")
    assert find_function("score:score", folder).digest != before.digest


SECRETS = {
    "OPENAI_API_KEY": "sk-secret",
    "OPENAI_BASE_URL": "http://user:secret@127.0.0.1:1/v1",
    "OPENAI_CUSTOM_HEADERS": "Authorization: secret",
    "HTTPS_PROXY": "http://user:secret@proxy",
    "http_proxy": "http://user:secret@proxy",
    "ALL_PROXY": "socks5://user:secret@proxy",
    "CORP_KEY": "secret",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "GITHUB_TOKEN": "secret",
    "APO_CACHE_DIR": "/secret",
    "PYTHONPATH": "/secret",
    "PYTHONSTARTUP": "/secret.py",
    "PYTHONHOME": "/secret",
    "PYTHONBREAKPOINT": "secret.secret",
    "LD_PRELOAD": "/secret.so",
    "LOOKUP_TOKEN": "secret but named by the user",
}


@pytest.mark.parametrize("name", [name for name in SECRETS if name != "LOOKUP_TOKEN"])
def test_a_metric_is_given_no_key_and_nothing_that_steers_python(name: str) -> None:
    given = metric_environment({**os.environ, **SECRETS}, ["LOOKUP_TOKEN"])
    assert name not in given
    assert given["LOOKUP_TOKEN"] == SECRETS["LOOKUP_TOKEN"]
    assert given["PATH"]


def test_the_engine_is_given_what_models_need_and_what_the_user_names() -> None:
    given = engine_environment({**os.environ, **SECRETS, "PATH": f".:bin::{os.environ['PATH']}"}, ["CORP_KEY"])
    assert given.keys() & SECRETS.keys() == {
        *("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_CUSTOM_HEADERS", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"),
        *("CORP_KEY", "APO_CACHE_DIR"),
    }
    assert given["PATH"] == os.environ["PATH"], "a relative folder would be another one there"


@pytest.mark.parametrize("layer", ["file", "editor", "flag", "environment"])
def test_a_workspace_cannot_name_what_a_metric_may_read(layer: str) -> None:
    with pytest.raises(InputError, match="may only be set in the user's configuration file"):
        resolve([Layer(layer, {"metric_env": ["OPENAI_API_KEY"]})])  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["OPENAI_API_KEY", ["PYTHONPATH"], ["A=B"], [3], {"a": 1}])
def test_only_names_of_variables_can_be_named(value: object) -> None:
    with pytest.raises(InputError, match="must be a list of names of variables"):
        resolve([Layer("user", {"metric_env": value})])


def test_the_metric_of_a_terminal_sees_what_the_user_names_and_no_key(apo: Apo) -> None:
    seen = apo.folder / "seen.json"
    shown = "[dict(os.environ), os.getcwd(), os.listdir(), sys.path]"
    source = f"import json, os, sys\njson.dump({shown}, open({str(seen)!r}, 'w'))\n"
    (apo.folder / "queues.py").write_text(source + SCORE)
    apo.edit("apo.examples:", "apo.metric: queues:score\napo.examples:")
    config = apo.folder / "config" / "apo-language-server" / "config.yaml"
    config.parent.mkdir(parents=True)
    endpoint = "{base_url: 'http://127.0.0.1:1', key_env: CORP_KEY}"
    config.write_text(f"metric_env: [LOOKUP_TOKEN]\nendpoints: {{corp: {endpoint}}}\n")
    steering = ("APO_", "PYTHON", "LD_", "OPENAI_BASE")
    environ = {name: value for name, value in SECRETS.items() if not name.startswith(steering)}
    environ |= {"HTTPS_PROXY": "http://user:secret@127.0.0.1:1", "PYTHONSTARTUP": "x", "NO_PROXY": "127.0.0.1"}
    done = apo("evaluate", "tickets.prompt", **{**environ, "ALL_PROXY": "", "http_proxy": ""})
    assert done.code == 0, done.err
    variables, cwd, listed, path = json.loads(seen.read_text())
    assert [name for name, value in variables.items() if "secret" in value] == ["LOOKUP_TOKEN"]
    assert not [name for name in variables if name.startswith("PYTHON")]
    assert Path(cwd) != apo.folder
    assert listed == [], "an empty folder of its own"
    assert str(apo.folder) not in path
    assert not Path(cwd).exists(), "which is removed after the run"
    assert not list(apo.folder.glob("__pycache__"))


def test_the_variables_of_a_broken_configuration_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    config = tmp_path / "apo-language-server" / "config.yaml"
    config.parent.mkdir()
    for text in (
        "endpoints: [",
        "endpoints: 3\nmetric_env: 4\n",
        "endpoints: {a: 3, b: {key_env: [x]}}\nmetric_env: [1]\n",
    ):
        config.write_text(text)
        assert user_variables() == ()
    config.write_text("endpoints: {a: {base_url: x, key_env: CORP_KEY}}\nmetric_env: [PYTHONPATH, HF_HOME]\n")
    assert user_variables() == ("CORP_KEY", "HF_HOME")


# What Python itself imports before any code of ours can run is not for us to choose, so it is not among these.
PLANTED = ("asyncio", "json", "typing", "click", "msgspec", "pygls", "logging", "regex", "runpy", "importlib", "apo")


def plant(folder: Path) -> None:
    for name in PLANTED:
        (folder / f"{name}.py").write_text(f"open({str(folder / RAN)!r}, 'a').write({name!r} + ' ')\n")


@pytest.mark.parametrize("python_path", ["", ".", ":", ":.", "src:.", "{folder}"])
def test_a_command_takes_no_module_of_the_folder_that_it_is_started_in(apo: Apo, python_path: str) -> None:
    plant(apo.folder)
    (apo.folder / "src").mkdir()
    environ = {"PYTHONPATH": python_path.format(folder=apo.folder)} if python_path else {}
    done = apo("check", "tickets.prompt", **environ)
    assert done.code == 0, done.err
    assert not (apo.folder / RAN).exists(), (apo.folder / RAN).read_text()


@pytest.mark.parametrize("start", ["-P", "-c"])
def test_the_server_takes_no_module_of_the_folder_that_it_is_started_in(apo: Apo, start: str) -> None:
    plant(apo.folder)
    code = "import sys; sys.argv[1:] = ['--version']; from apo_server.__main__ import run; run()"
    arguments = ["-P", "-m", "apo_server", "--version"] if start == "-P" else ["-c", code]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=apo.folder, env=apo.environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("apo-language-server "), done.stderr
    assert not (apo.folder / RAN).exists(), (apo.folder / RAN).read_text()


async def test_a_child_works_in_an_empty_folder_with_the_variables_it_was_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "json.py"))
    monkeypatch.syspath_prepend(str(folder))
    code = "import json, os; print(json.dumps([os.getcwd(), os.listdir(), sorted(os.environ)]))"
    child = await start_child((sys.executable, "-P", "-c", code), {"HOME": "/h"}, longest_line=2**16)
    assert child.process.stdout
    cwd, listed, variables = json.loads(await child.process.stdout.readline())
    assert await child.wait() == 0
    assert listed == []
    assert set(variables) <= {"HOME", "LC_CTYPE"}, "Python sets the latter"
    assert cwd != str(folder)
    assert not os.path.exists(cwd), "it is removed"  # noqa: ASYNC240, PTH110
    assert str(folder) not in python_command("apo_server.worker")[-2]
    assert not (folder / RAN).exists()


def test_a_server_that_was_installed_for_one_user_goes_on_working(tmp_path: Path) -> None:
    """``pip install --user`` puts the program into the user's own site folder, which ``-I`` would leave out."""
    home, root = tmp_path / "home", Path(__file__).parents[2]
    lib = home / ".local" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    lib.mkdir(parents=True)
    (lib / "apo_engine").symlink_to(root / "apo_engine")
    (lib / "apo_server").symlink_to(root / "server" / "apo_server")
    (lib / "needed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    base = str(getattr(sys, "_base_executable", sys.executable))
    code = (
        "import asyncio, sys\nfrom apo_server.engine import EngineClient\nfrom apo_server.wire import Request\n"
        "async def main():\n    client = EngineClient()\n"
        "    print((await client.ask(Request(0, 'tokens', texts=('a b',), model='x/y'))).tokens.counts)\n"
        "    await client.close()\nasyncio.run(main())\n"
    )
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "APO_CACHE_DIR": str(tmp_path / "cache")}
    # As in a terminal; with another base; and as the VS Code extension starts the server that it brings.
    bundled = os.pathsep.join((str(lib), str(Path(pytest.__file__).parents[1])))
    starts = (
        {},
        {"HOME": str(tmp_path), "PYTHONUSERBASE": str(home / ".local")},
        {"HOME": str(tmp_path), "PYTHONPATH": bundled, "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"},
    )
    for more in starts:
        done = subprocess.run(
            [base, "-P", "-c", code], env={**environ, **more}, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout == "(1,)\n", done.stderr


def test_the_installed_commands_are_those_that_leave_out_the_folder() -> None:
    for name in (APO, str(Path(APO).with_name("apo-language-server"))):
        assert "__main__ import run" in Path(name).read_text()
