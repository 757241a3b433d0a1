"""The helpers and roles that a template may use: Handlebars' own and Dotprompt's."""

from __future__ import annotations

from typing import get_args

from apo_engine.prompt.message import Role

ROLES: tuple[str, ...] = get_args(Role)
BLOCK_HELPERS = ("if", "unless", "each", "with", "ifEquals", "unlessEquals")
INLINE_HELPERS = ("role", "json", "history", "media", "section", "lookup", "log")
HELPERS = BLOCK_HELPERS + INLINE_HELPERS
# What other chat formats call these roles.
ROLE_ALIASES = {"assistant": "model", "ai": "model", "human": "user", "developer": "system"}
