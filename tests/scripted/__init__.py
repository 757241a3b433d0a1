"""A scripted model server: the OpenAI protocol over real HTTP on loopback, answered by a Python function."""

from tests.scripted.reply import (
    Reply,
    content_filtered,
    empty_choices,
    hang,
    html,
    not_found,
    rejects,
    reset,
    server_error,
    throttled,
    truncated,
    unauthorized,
)
from tests.scripted.server import Exchange, Script, ScriptedServer

__all__ = [
    "Exchange",
    "Reply",
    "Script",
    "ScriptedServer",
    "content_filtered",
    "empty_choices",
    "hang",
    "html",
    "not_found",
    "rejects",
    "reset",
    "server_error",
    "throttled",
    "truncated",
    "unauthorized",
]
