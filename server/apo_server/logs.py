"""The server's log on standard error. Above debug it holds no word of a prompt, a row or an answer."""

from __future__ import annotations

import logging
import re
import sys

_PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-zA-Z]")


class _WithoutContent(logging.Filter):
    """Cuts the records of the protocol library down to their fixed words: it logs whole messages of the editor."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, cut down where it comes from the protocol library."""
        if record.name.split(".")[0] in ("pygls", "asyncio", "lsprotocol"):
            kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
            words = _PLACEHOLDER.sub("…", str(record.msg).splitlines()[0])
            record.msg = f"{words} {kind}".rstrip()
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


def set_up_logs(level: str) -> None:
    """Log to standard error from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in ("pygls", "lsprotocol", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if level != "debug":
        handler.addFilter(_WithoutContent())
