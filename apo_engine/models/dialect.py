"""Which parameters a model understands: learnt from its refusals, remembered for the process."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import lru_cache

_LOG = logging.getLogger(__name__)

# Only what tunes the sampling may be left out; a parameter of another kind that is refused is an error, and so is a
# bound that is known by neither name: a cap may rest on it.
_OTHER_NAMES = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_OPTIONAL = frozenset({"temperature", "top_p", "top_k", "seed", "stop"})
#: The statuses with which an endpoint refuses a request for its form; nothing is charged for one.
REFUSED = frozenset({400, 422})
# A value out of range is the author's mistake and must be told, not dropped.
_UNSUPPORTED = re.compile(
    r"support|unrecogni[sz]ed|unknown|unexpected|not (?:permitted|allowed|accept)|extra |cannot|deprecated",
    re.IGNORECASE,
)

_ABOUT_SHAPE = re.compile(r"response_?format|json_?schema|structured|schema|grammar", re.IGNORECASE)


class Dialect:
    """How one model wants its parameters: which it knows by another name, and which not at all."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._names: dict[str, str] = {}
        self._dropped: set[str] = set()
        self._takes_shapes = True

    @property
    def takes_shapes(self) -> bool:
        """Whether an answer of a given shape may be asked for; true until that was refused."""
        return self._takes_shapes

    def refuses_shape(self, status: int, param: str, detail: str) -> bool:
        """Whether a refusal is about the shape that was asked for; if so, none is asked for from now on."""
        about_shape = status in REFUSED and _ABOUT_SHAPE.search(f"{param} {detail}") is not None
        self._takes_shapes = self._takes_shapes and not about_shape
        return about_shape

    def spoken(self, params: Mapping[str, object]) -> dict[str, object]:
        """``params`` as this model takes them."""
        named = {self._names.get(name, name): value for name, value in params.items()}
        return {name: value for name, value in named.items() if name not in self._dropped}

    def learn(self, sent: Mapping[str, object], status: int, param: str, detail: str) -> None:
        """Take in a refusal of ``sent``: what the model does not know is renamed or left out from now on.

        Args:
            sent: the parameters as they went out.
            status: the HTTP status of the refusal.
            param: the parameter that the endpoint names in its own field, if it does.
            detail: the endpoint's own words, in which a parameter is looked for otherwise.
        """
        if status not in REFUSED or not _UNSUPPORTED.search(detail):
            return
        refused = param if param in sent else _named_in(detail, sent)
        other = _OTHER_NAMES.get(refused)
        if other is not None and refused not in self._names.values():
            self._names[refused] = other
        elif refused in _OPTIONAL and refused not in self._dropped:
            self._dropped.add(refused)
            _LOG.warning("'%s' does not accept '%s'; it is left out from now on.", self._model, refused)


@lru_cache(maxsize=256)
def dialect_of(address: str, model_id: str) -> Dialect:
    """The one dialect of a model at an address."""
    return Dialect(model_id)


def _named_in(detail: str, sent: Mapping[str, object]) -> str:
    """The parameter that a refusal is about: the first of those sent that its text names."""
    places = {name: match.start() for name in sent if (match := re.search(rf"\b{re.escape(name)}\b", detail))}
    return min(places, key=places.__getitem__, default="")
