"""The editor's line and a real browser: a page of somebody else tries each way that a page has."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from tests.attacks.door import EVIL, door, web_answer, web_door
from tests.server.raw import HELLO
from tests.server.sockets import TOKEN, hello

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is missing")

PAGE = """<!doctype html><script>
const [tcp, ws, locked, evil, hello] = SETTINGS;
const wait = new Promise(good => setTimeout(good, 30000, "waits"));
const ended = work => Promise.race([work.then(() => "heard", () => "closed"), wait]);
const send = (address, more) => ended(fetch(address, {mode: "no-cors", referrerPolicy: "unsafe-url", ...more}));
const image = src => ended(new Promise((onload, onerror) => Object.assign(new Image(), {src, onload, onerror})));
const socket = address => ended(new Promise((good, bad) => {
  const web = new WebSocket(address);
  web.onopen = () => web.send(hello);
  web.onmessage = good;
  web.onclose = bad;
}));
const form = address => {
  const sent = document.querySelector("form");
  sent.action = address;
  sent.elements[0].name = sent.elements[0].value = evil;
  sent.submit();
};
addEventListener("load", async () => {
  const body = "{}" + evil, tries = {};
  form(`http://127.0.0.1:${tcp}/`);
  tries.post = await send(`http://127.0.0.1:${tcp}/`, {method: "POST", body});
  tries.long = await send(`http://127.0.0.1:${tcp}/${"a".repeat(100000)}`, {method: "POST", body});
  tries.put = await send(`http://127.0.0.1:${tcp}/`, {method: "PUT", mode: "cors", body});
  tries.image = await image(`http://127.0.0.1:${tcp}/content-length:2`);
  tries.tls = await image(`https://127.0.0.1:${tcp}/`);
  tries.upgrade = await socket(`ws://127.0.0.1:${tcp}/`);
  tries.socket = await socket(`ws://127.0.0.1:${ws}/`);
  tries.rebound = await socket(`ws://evil.example:${ws}/`);
  tries.locked = await socket(`ws://127.0.0.1:${locked}/?token=0123456789abcdef`);
  tries.secure = await socket(`wss://127.0.0.1:${ws}/`);
  await fetch("/done", {method: "POST", body: JSON.stringify(tries)});
});
</script><body><form method="post" enctype="text/plain" target="frame"><textarea></textarea></form>
<iframe name="frame"></iframe></body>"""


async def test_a_page_in_a_real_browser_reaches_nothing_and_keeps_nobody_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "apo_server.admission")
    done: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
    async with door() as tcp, web_door() as ws, web_door(TOKEN) as locked:
        said = json.dumps({"jsonrpc": "2.0", **HELLO})
        settings = json.dumps([tcp.port, ws.port, locked.port, EVIL.decode(), said])
        page = PAGE.replace("SETTINGS", settings).encode()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("POST /done"):
                length = next(line for line in head.lower().splitlines() if line.startswith("content-length:"))
                done.set_result(json.loads(await reader.readexactly(int(length.partition(":")[2]))))
            answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            writer.write(answer % len(page) + page)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"http://evil.example:{server.sockets[0].getsockname()[1]}/content-length:2"
        browser = await asyncio.create_subprocess_exec(
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP evil.example 127.0.0.1"),
            *("--disable-background-networking", "--disable-component-update", address),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "HOME": str(tmp_path)},
        )
        try:
            tries = await asyncio.wait_for(done, 60)
        finally:
            browser.kill()
            await browser.wait()
            server.close()
        assert set(tries.values()) == {"closed"}, tries
        assert len(tries) == 10
        # The browser did get there.
        reasons = [record.getMessage() for record in caplog.records]
        assert sum("did not begin with an LSP message" in reason for reason in reasons) >= 6, reasons
        assert sum("does not name a page of this machine" in reason for reason in reasons) == 3, reasons
        await tcp.expect_served()
        assert await web_answer(ws) == "served"
        assert await web_answer(locked, hello()) == "served"
