"""The `apo` command: its sub-commands, loaded when asked for, and the one place where errors become messages."""

from __future__ import annotations

import errno
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from apo_engine.problems import ApoError

# Exit codes: 0 fine, 1 found something (`check`, or with --fail-…), 2 misuse, 3 budget or model failure.
_MISUSE, _UNABLE, _INTERNAL, _UNWRITABLE, _INTERRUPTED = 2, 3, 70, 74, 130
# The SDK is some 100,000 objects that stay as long as the process. Python's own thresholds look all of them through
# again and again for garbage in cycles, which halts everything for 50 ms each time.
_GARBAGE_THRESHOLDS = (20_000, 20, 20)

_COMMANDS = {
    "evaluate": "Score a prompt on its examples.",
    "gradients": "Say why a prompt fails, passage by passage.",
    "optimize": "Search for a better prompt and judge it on unseen rows.",
    "runs": "List what was run, and what came of it.",
    "report": "Write a run as one HTML page.",
    "init": "Write a first prompt and example rows.",
    "check": "Check prompts and their rows, without a model.",
    "bench": "Repeat the paper's four tasks with any model and algorithm.",
    "models": "List the models that can be reached.",
    "cache": "Say what is kept on this machine, and delete it.",
}


class _LazyGroup(click.Group):
    """Imports a sub-command only when it runs: `apo --help` must not wait for the engine."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"apo_engine.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group("apo", cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="apo-language-server", prog_name="apo")
def apo() -> None:
    """Improve the prompt in a .prompt file from the evidence of its examples.

    \b
    Exit codes: 0 fine; 1 `check` found something, or no improvement where --fail-unless-better asks for one;
    2 misuse or unusable input; 3 a cap was reached or a model failed; 130 interrupted.
    """


def run() -> None:
    """Run `apo` with the process's arguments, and exit."""
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    for stream in (sys.stdout, sys.stderr):
        # What a terminal's encoding cannot show is spelled out; it is no reason to stop.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    _leave(_outcome())


def _leave(code: int) -> NoReturn:
    """Exit at once: everything is closed by now but threads that are still busy, and nobody waits for those.

    To take all modules apart, as `sys.exit` does, would take a quarter of a second.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or _UNWRITABLE  # who reads no further knows it
        except OSError as error:
            code = code or _UNWRITABLE
            with suppress(OSError):
                click.echo(f"{_marked('error')}: The output could not be written: {error.strerror}.", err=True)
    os._exit(code)


def _outcome() -> int:
    try:
        return int(apo.main(prog_name="apo", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        cause = error.__cause__ if isinstance(error, click.Abort) else error
        click.echo(f"Stopped. {cause or ''}".rstrip(), err=True)
        return _INTERRUPTED
    except Exception as error:
        from apo_engine.problems import ApoError  # not needed where all is well

        if _debugging():
            import traceback

            traceback.print_exc()
        if isinstance(error, ApoError):
            _explain(error)
            return error.exit_code
        refusal = _refusal_of_the_system(error)
        if refusal is not None:
            message, code = refusal
            click.echo(f"{_marked('error')}: {message}", err=True)
            return code
        click.echo(f"{_marked('error')}: Something in apo itself went wrong ({_one_line(error)}). ", err=True, nl=False)
        click.echo("Add --debug to see where, and please report it." * (not _debugging()), err=True)
        return _INTERNAL


def _refusal_of_the_system(error: BaseException | None) -> tuple[str, int] | None:
    """What the system lacks, in a sentence, and the exit code; None where it lacks nothing."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return "The system gives apo no more file handles. Raise the limit, such as: ulimit -n 256", _UNABLE
        if isinstance(error, FileNotFoundError) and not _has_working_folder():
            return "The working folder is gone. Change to another one, and run the command again.", _MISUSE
        error = error.__cause__ or error.__context__
    return None


def _has_working_folder() -> bool:
    try:
        return bool(Path.cwd())
    except OSError:
        return False


def _explain(error: ApoError) -> None:
    """Each problem with its place, what is wrong, and what to do."""
    from apo_engine.cli.render_problems import problem_text

    for problem in error.problems:
        click.echo(problem_text(problem, sys.stderr), err=True)


def _marked(kind: str) -> str:
    from apo_engine.cli.render_problems import marked

    return marked(kind, sys.stderr)


def _one_line(error: Exception) -> str:
    from apo_engine.cli.plain import excerpt

    return excerpt(f"{type(error).__name__}: {error}", 200)


def _debugging() -> bool:
    return "--debug" in sys.argv[1:]
