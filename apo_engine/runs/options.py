"""How a run is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from apo_engine.models.purse import Purse
    from apo_engine.search.events import ModelFile


@dataclass(frozen=True, slots=True)
class Options:
    """What stands above the prompt file (``flags``) and below it (``editor``, ``environ``).

    ``flags`` and ``editor`` hold settings by their names in the file without ``apo.``, nested as there:
    ``{"budget": {"calls": 200}}``. ``environ`` is the process's own where None. ``fresh`` ignores cached answers;
    ``resume`` prints a finished run, and goes on with an unfinished one. ``custom_metric`` is the digest of the one
    metric that is code and may be run (see `CustomMetric`); any may where None, none where it is empty. ``model_files``
    are the files of weights that may be loaded; any may where None. ``purse`` is
    what requests that leave the machine draw from, shared with other runs. Files that the prompt names lie in its
    folder or one of the ``allowed_roots``, the folders that the user works in: the working folder where None.
    ``own_models`` are the models of the ``editor`` that the user named: their files may lie anywhere.
    ``agreed`` is the fingerprint of what the user was told that would be sent (see `RunStarted`); a run that would send
    anything else does not begin. Any may where None. ``may_send`` is asked before each request that leaves the machine;
    the run ends without that request once it says no.
    """

    flags: Mapping[str, object] = field(default_factory=dict)
    editor: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] | None = None
    fresh: bool = False
    resume: bool = False
    custom_metric: str | None = None
    model_files: tuple[ModelFile, ...] | None = None
    purse: Purse | None = None
    allowed_roots: tuple[Path, ...] | None = None
    own_models: tuple[str, ...] = ()
    agreed: str | None = None
    may_send: Callable[[], bool] | None = None
