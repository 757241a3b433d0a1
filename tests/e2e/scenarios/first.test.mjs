/** The first minute: which Python runs the server, what is said where none will, and the sample without a key. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

import { command, lens, message, openFile } from "../editor.mjs";
import { serverOf, servers } from "../servers.mjs";
import { scenario } from "../stage.mjs";
import { throwAway } from "../workbench.mjs";

const REAL = execFileSync("python3", ["-c", "import sys; print(sys.executable, *sys.version_info[:2])"], { encoding: "utf8" });
const [PYTHON, MAJOR, MINOR] = REAL.trim().split(" ");
/** A version that the extension has wheels for, and whose environment no other scenario has made. */
const BUNDLED = MAJOR === "3" && MINOR === "11" ? 12 : 11;

/** A folder in which the real Python has another name. */
function alias() {
  const file = path.join(throwAway("apo-e2e-python-"), "python3");
  symlinkSync(PYTHON, file);
  return file;
}

/** A folder with little more than a shell, to be the only one on the search path. */
function bare() {
  const folder = throwAway("apo-e2e-bin-");
  for (const name of ["sh", "sleep"]) {
    symlinkSync(path.join("/bin", name), path.join(folder, name));
  }
  return folder;
}

const BIN = bare();

/** Puts a program on the search path that says it is a Python of some version, and otherwise prints a few words and fails, after a while as pip does. */
function pretend(minor, words) {
  const file = path.join(BIN, "python3");
  const facts = {
    command: file,
    version: [3, minor],
    implementation: "CPython",
    tag: `cpython-3${minor}`,
    platform: "linux-x86_64",
    machine: "x86_64",
    host: "x86_64-pc-linux-gnu",
    lzma: true,
  };
  writeFileSync(`${file}.new`, `#!/bin/sh\nif [ "$1" = -c ]; then echo '${JSON.stringify(facts)}'; else sleep 1; echo '${words}'; exit 1; fi\n`, { mode: 0o755 });
  renameSync(`${file}.new`, file);
}

scenario("what keeps the server from starting has one sentence and one button", { environment: () => ({ PATH: BIN }) }, async ({ page, picture }) => {
  const said = async (text, button) => {
    const found = await message(page, text);
    assert.deepEqual(await found.locator(".notification-list-item-buttons-container .monaco-button").allInnerTexts(), [button]);
    await page.locator(".statusbar-item.error-kind", { hasText: "APO" }).waitFor();
    return async () => found.getByRole("button", { name: button }).click();
  };
  await openFile(page, "tickets.prompt");
  await said("APO needs Python 3.11 or newer: none was found.", "Install Python");
  await picture("no Python");
  pretend(8, "");
  await command(page, "APO: Restart Language Server");
  await said("is Python 3.8, which is older than 3.11.", "Install Python");
  await command(page, "Notifications: Clear All Notifications");
  pretend(99, "NewConnectionError: Failed to establish a new connection");
  await command(page, "APO: Restart Language Server");
  const again = await said("could not be installed for Python 3.99: pip cannot reach the package index.", "Try again");
  pretend(99, "ProxyError: Cannot connect to proxy.");
  await again();
  const settings = await said("the proxy refused pip.", "Open settings");
  await picture("proxy");
  await settings();
  await page.locator(".settings-editor").getByText("Proxy", { exact: true }).first().waitFor();
  pretend(BUNDLED, '{"problem": "disk-full"}');
  await command(page, "APO: Restart Language Server");
  const room = await said("The disk is full: APO cannot put its files into", "Try again");
  rmSync(path.join(BIN, "python3"));
  symlinkSync(PYTHON, path.join(BIN, "python3"));
  await room();
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
});

const CHOSEN = path.join(throwAway("apo-e2e-chosen-"), "chosen");
const [ONE, TWO] = [alias(), alias()];

scenario(
  "the interpreter that the Python extension has chosen runs the server, and so does the next one",
  { beside: ["python-chooser"], before: () => writeFileSync(CHOSEN, ONE), environment: () => ({ APO_E2E_CHOSEN: CHOSEN }) },
  async ({ page, home, address, folder }) => {
    await openFile(page, "tickets.prompt");
    await serverOf(home, ONE);
    await lens(page, /Optimize/);
    // The next window knows the server without asking, and hears of another choice all the same.
    await page.goto(address(folder));
    await serverOf(home, ONE);
    await openFile(page, "tickets.prompt");
    await lens(page, /Optimize/);
    writeFileSync(CHOSEN, TWO);
    await serverOf(home, TWO);
    await lens(page, /Optimize/);
  },
);

const STARTED = path.join(throwAway("apo-e2e-started-"), "started");
const WITHOUT_PYTHON = bare();

scenario(
  "the workspace's own Python runs after a yes to exactly that file",
  {
    environment: () => ({ PATH: WITHOUT_PYTHON }),
    before: (folder) => {
      mkdirSync(path.join(folder, ".venv/bin"), { recursive: true });
      writeFileSync(path.join(folder, ".venv/pyvenv.cfg"), `home = ${path.dirname(PYTHON)}\n`);
      const script = `#!/bin/sh\necho started >> '${STARTED}'\nexec '${PYTHON}' "$@"\n`;
      writeFileSync(path.join(folder, ".venv/bin/python"), script, { mode: 0o755 });
    },
  },
  async ({ page, home, address, folder, picture }) => {
    const python = path.join(folder, ".venv/bin/python");
    const question = `Run the language server with this workspace's Python (${python})? It gets your API key.`;
    await openFile(page, "tickets.prompt");
    const first = await message(page, question);
    await picture("question");
    await first.getByRole("button", { name: "Use another" }).click();
    await message(page, `APO needs Python 3.11 or newer: you declined ${python}`);
    assert.ok(!existsSync(STARTED), "nothing of the workspace was started");
    await command(page, "Notifications: Clear All Notifications");
    // Another file under the same name is another question.
    rmSync(python);
    symlinkSync(PYTHON, python);
    await command(page, "APO: Restart Language Server");
    await (await message(page, question)).getByRole("button", { name: "Use it" }).click();
    await serverOf(home, python);
    await lens(page, /Optimize/);
    // The next window knows the answer.
    await page.goto(address(folder));
    await serverOf(home, python);
    await openFile(page, "tickets.prompt");
    await lens(page, /Optimize/);
    appendFileSync(path.join(folder, ".venv/pyvenv.cfg"), "include-system-site-packages = true\n");
    await command(page, "APO: Restart Language Server");
    await message(page, question);
    assert.deepEqual(servers(home), []);
  },
);

scenario(
  "the sample, without a key",
  {
    environment: () => ({ OPENAI_BASE_URL: "", OPENAI_API_KEY: "" }),
    before: (folder) => {
      for (const name of readdirSync(folder)) {
        rmSync(path.join(folder, name));
      }
      mkdirSync(path.join(folder, "prompts"));
    },
  },
  async ({ page, folder, endpoint, picture }) => {
    await page.keyboard.press("F1");
    await page.locator(".quick-input-widget:visible input").fill(">Welcome: Open Walkthrough");
    await page.locator(".quick-input-list .monaco-list-row", { hasText: "Open Walkthrough" }).first().click();
    await page.locator(".quick-input-list .monaco-list-row", { hasText: "Improve a prompt from evidence" }).first().click();
    await page.locator(".getting-started-step", { hasText: "Open a sample prompt" }).waitFor();
    await picture("walkthrough");
    await page.getByRole("button", { name: "Open Sample Prompt" }).click();
    await page.locator(".quick-input-widget:visible").getByRole("button", { name: "Put the Sample Here" }).click();
    await page.locator(".tab.active", { hasText: "tickets.prompt" }).waitFor();
    const offered = await message(page, "The sample's model runs on this machine once it is installed");
    assert.ok(await offered.getByRole("button", { name: "Install model" }).isVisible());
    await picture("sample");
    assert.deepEqual(readdirSync(folder).sort(), ["prompts", "tickets.jsonl", "tickets.prompt"]);
    await lens(page, /Optimize/);
    await command(page, "APO: Evaluate This Prompt");
    const missing = await message(page, "needs a runtime that is not installed");
    assert.ok(await missing.getByRole("button", { name: "Install model" }).isVisible());
    assert.equal(await endpoint.asked(), 0);
  },
);
