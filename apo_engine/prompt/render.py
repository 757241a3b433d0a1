"""From a prompt and a row's inputs to chat messages.

Roles come from the template alone. Dotprompt marks them in the rendered text with fixed strings, which data could
imitate (google/dotprompt#557); here each rendering has markers of its own, made of a hash over the template and the
data: data that held its own marker would be a fixed point of SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

from apo_engine.problems import InputError, Place, Problem
from apo_engine.prompt.helpers import ROLES
from apo_engine.prompt.message import Message, Role
from apo_engine.prompt.partials import load_partials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dotpromptz_handlebars import HelperOptions

    from apo_engine.prompt.file import PromptFile

_DATA_KEY = "apoMarker"
_CANONICAL = json.JSONEncoder(sort_keys=True, default=str)
# It takes some hundredths of a second to compile so much.
_QUICK_CHARS = 50_000


def compiles_slowly(prompt: PromptFile, partials: Mapping[str, str]) -> bool:
    """Whether an event loop should not wait until a prompt and its partials are compiled."""
    return len(prompt.text) + sum(map(len, partials.values())) > _QUICK_CHARS


class Renderer:
    """Compiles a prompt once, then makes chat messages of inputs. Safe to share between threads and tasks."""

    def __init__(self, prompt: PromptFile, partials: Mapping[str, str] | None = None, *, quick: bool = False) -> None:
        """Compile ``prompt`` and the partials that it includes: these texts, by name, or what is on disk if None.

        Each rendering is bounded in time and memory; if it must be ``quick``, to some hundredths of a second.

        Raises:
            InputError: a partial is missing or outside the folder, or the template cannot be compiled.
        """
        from dotpromptz_handlebars import EscapeFunction, Handlebars

        from apo_engine.prompt.rendering_bounds import MAX_STEPS, QUICK_STEPS, Bounds

        source = prompt.template.of(prompt.text)
        # Dotprompt strips the template only where front matter stands before it.
        source = source.strip() if prompt.front_matter else source
        partials = load_partials(prompt) if partials is None else partials
        self._path = prompt.path
        self._defaults = prompt.defaults
        self._template = hashlib.sha256(json.dumps([source, dict(partials)]).encode()).digest()
        engine = Handlebars(escape_fn=EscapeFunction.NO_ESCAPE)
        for name, helper in _HELPERS.items():
            engine.register_helper(name, helper)
        self._bounds = Bounds(QUICK_STEPS if quick else MAX_STEPS)
        self._render: Callable[..., str] = self._guarded(lambda: self._bounds.compile(engine, source, partials))

    @property
    def is_slow(self) -> bool:
        """Whether a rendering so far took so long that an event loop should not wait for the next one."""
        from apo_engine.prompt.rendering_bounds import QUICK_STEPS

        return self._bounds.most_steps > QUICK_STEPS

    def messages(self, inputs: Mapping[str, object]) -> tuple[Message, ...]:
        """The chat messages for these inputs; ``input.default`` fills in for inputs that are left out.

        Raises:
            InputError: the template asks for what cannot be done: an image, a value that is no JSON, endless nesting,
                more text or work than `rendering_bounds` allow.
        """
        data = {**self._defaults, **inputs}
        canonical = _CANONICAL.encode(data).encode()
        marker = f"<<<apo:{hashlib.sha256(self._template + canonical).hexdigest()}:"
        rendered = self._guarded(lambda: self._bounds.count(lambda: self._render(data, data={_DATA_KEY: marker})))
        return _split(rendered, marker)

    def _guarded(self, action: Callable[[], Any]) -> Any:
        from apo_engine.prompt.rendering_bounds import TemplateTooLarge

        try:
            return action()
        except TemplateTooLarge as error:
            message = f"The template cannot be rendered: {error}."
            remedy = "Include partials less often, or repeat less."
            raise InputError(Problem("template-large", message, remedy, Place(self._path))) from None
        except RecursionError:
            reason = "its blocks or partials are nested too deeply"
        # The library reports a user's mistake by bare errors of several kinds, without a position.
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            reason = str(error) or type(error).__name__
        message = f"The template cannot be rendered: {reason}."
        raise InputError(Problem("template-error", message, "Correct the template.", Place(self._path)))


def _split(rendered: str, marker: str) -> tuple[Message, ...]:
    """Split at the markers, as Dotprompt does: white space alone is no message, and a later role tag wins."""
    first, *rest = rendered.split(marker)
    # The pieces of each message, without empty ones.
    found: list[tuple[str, list[str]]] = [("user", [first] if first.strip() else [])]
    for piece in rest:
        tag, _, text = piece.partition(">>>")
        content = [text] if text.strip() else []
        if tag == "section":
            found[-1][1].extend(content)
        elif tag == "history":
            found.append(("model", content))
        elif found[-1][1]:
            found.append((tag, content))
        else:
            found[-1] = (tag, content)
    return tuple(Message(cast("Role", role), "".join(pieces)) for role, pieces in found if pieces)


def _role(arguments: list[Any], options: HelperOptions) -> str:
    role = str(arguments[0]) if arguments else ""
    if role not in ROLES:
        raise ValueError(f"there is no role {role[:40]!r}")
    return f"{options.data[_DATA_KEY]}{role}>>>"


def _history(_arguments: list[Any], options: HelperOptions) -> str:
    return f"{options.data[_DATA_KEY]}history>>>"


def _section(arguments: list[Any], options: HelperOptions) -> str:
    return f"{options.data[_DATA_KEY]}section>>>" if arguments else ""


def _media(_arguments: list[Any], _options: HelperOptions) -> str:
    raise ValueError("images and other media are not supported by this version")


def _json(arguments: list[Any], options: HelperOptions) -> str:
    if not arguments:
        return ""
    from apo_engine.prompt.rendering_bounds import spend

    indent = options.hash_value("indent") or 0
    indent = int(indent) if str(indent).isdigit() else 0
    if not indent:
        text = json.dumps(arguments[0], separators=(",", ":"))
        spend(len(text))
        return text
    # Deep values grow with each level.
    spend(indent)
    pieces = []
    for piece in json.JSONEncoder(indent=indent).iterencode(arguments[0]):
        spend(len(piece))
        pieces.append(piece)
    return "".join(pieces)


def _if_equals(arguments: list[Any], options: HelperOptions) -> str:
    if len(arguments) < 2:
        return ""
    return options.fn() if arguments[0] == arguments[1] else options.inverse()


def _unless_equals(arguments: list[Any], options: HelperOptions) -> str:
    if len(arguments) < 2:
        return ""
    return options.fn() if arguments[0] != arguments[1] else options.inverse()


def _log(_arguments: list[Any], _options: HelperOptions) -> str:
    # The library's own prints to stdout, which belongs to the language server's protocol.
    return ""


_HELPERS: dict[str, Callable[[list[Any], HelperOptions], Any]] = {
    "role": _role,
    "history": _history,
    "section": _section,
    "media": _media,
    "json": _json,
    "ifEquals": _if_equals,
    "unlessEquals": _unless_equals,
    "log": _log,
}
