"""``python -m apo_server``: the same as the command `apo-language-server`."""

from apo_server.main import run

run()
