"""Real Emacs with Eglot over a socket: it is served with the token, and shows its user what is wrong without."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.server.raw import ending
from tests.server.sockets import TOKEN, listening, token_file

pytestmark = pytest.mark.emacs
HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("token", "shown"),
    [(TOKEN, "found: apo [variable-undefined]"), (TOKEN[:-1], "The request has a wrong token. Set 'token' in the")],
)
async def test_eglot_connects_with_the_token_and_not_without(tmp_path: Path, token: str, shown: str) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.prompt").write_text("---\ninput: {schema: {text: string}}\n---\n{{txet}}\n", "utf-8")
    async with listening() as listen:
        process, _, port = await listen("--tcp", "0", "--token-file", str(token_file(tmp_path)))
        environ = {**os.environ, "APO_TOKEN": token, "APO_PORT": str(port), "HOME": str(tmp_path), "LANG": "C.UTF-8"}
        pipe = asyncio.subprocess.PIPE
        emacs = await asyncio.create_subprocess_exec(
            *("emacs", "--batch", "--load", str(HERE / "socket.el")), cwd=folder, env=environ, stdout=pipe, stderr=pipe
        )
        _, _, err = await ending(emacs, 60)
        assert shown in err.decode()
        if token == TOKEN:
            assert (await ending(process))[0] == 0
        else:
            assert process.returncode is None, "it goes on listening"
