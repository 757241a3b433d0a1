/** What goes wrong, and what is not allowed: each with one sentence and a way on. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { answer, command, focus, lens, lines, message, openFile } from "../editor.mjs";
import { server } from "../servers.mjs";
import { scenario } from "../stage.mjs";
import { filesBelow, until } from "../workbench.mjs";

scenario("the server comes back, and in the end stays away and says so", {}, async ({ page, home, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  let last = await server(page, home);
  await command(page, "APO: Restart Language Server");
  last = await server(page, home, last);
  await lens(page, /Optimize/);
  for (let crash = 0; crash < 4; crash += 1) {
    process.kill(last, "SIGKILL");
    last = await server(page, home, last);
  }
  await lens(page, /Optimize/);
  process.kill(last, "SIGKILL");
  const said = await message(page, "keeps crashing");
  assert.ok(await said.getByRole("button", { name: "Open logs" }).isVisible());
  await page.locator(".statusbar-item", { hasText: "APO" }).first().and(page.locator(".error-kind")).waitFor();
  await picture("given up");
  await command(page, "APO: Restart Language Server");
  await server(page, home, last);
  await lens(page, /Optimize/);
});

scenario(
  "restricted mode checks and runs nothing; trust starts the rest",
  {
    trusted: false,
    before: (folder) => {
      const file = path.join(folder, "tickets.prompt");
      writeFileSync(file, readFileSync(file, "utf8").replace("{{text}}", "{{text}} {{#if text}}"));
    },
  },
  async ({ page, endpoint, picture }) => {
    await openFile(page, "tickets.prompt");
    await page.locator(".squiggly-error").first().waitFor({ state: "attached", timeout: 60_000 });
    assert.equal(await page.locator(".codelens-decoration").count(), 0);
    await focus(page);
    await picture("restricted");
    await page.locator(".statusbar-item", { hasText: "APO: restricted" }).first().click();
    await page.getByRole("button", { name: /^Trust/ }).first().click();
    await page.getByText("You trust this folder").waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".statusbar-item", { hasText: "APO: restricted" }).first().waitFor({ state: "detached" });
    await lens(page, /Optimize/);
    assert.equal(await endpoint.asked(), 0);
    await picture("trusted");
  },
);

const elsewhere = (address) => ({ OPENAI_BASE_URL: address.replace("127.0.0.1", "0.0.0.0") });

scenario("nothing leaves before a yes, and a no sends nothing", { environment: elsewhere }, async ({ page, endpoint, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  await command(page, "APO: Evaluate This Prompt");
  const asked = await message(page, "rows");
  await picture("question");
  assert.match(await asked.innerText(), /105/);
  assert.equal(await endpoint.asked(), 0);
  await asked.getByRole("button", { name: "Not now" }).click();
  await message(page, "Nothing was sent");
  assert.equal(await endpoint.asked(), 0);
  await command(page, "APO: Evaluate This Prompt");
  await (await message(page, "105")).getByRole("button", { name: "Allow" }).click();
  await lens(page, /acc [\d.]+ %/);
  assert.equal(await endpoint.asked(), 105);
});

scenario(
  "a spent budget pauses and says so",
  { environment: elsewhere, user: { "apo.consent": true, "apo.workspaceBudget": { calls: 20 } } },
  async ({ page, endpoint, picture }) => {
    await openFile(page, "tickets.prompt");
    await lens(page, /Optimize/);
    await command(page, "APO: Evaluate This Prompt");
    await message(page, "Paused by budget");
    await lens(page, /Paused by budget/);
    await page.locator(".statusbar-item", { hasText: "paused by budget" }).first().waitFor();
    await picture("paused");
    assert.ok((await endpoint.asked()) <= 20);
  },
);

const KEY = "sk-canary-7f3e9a1c5b";
const PROXY = "http://127.0.0.1:9";
const REFUSING = {
  environment: () => ({ OPENAI_API_KEY: "sk-wrong-0000" }),
  endpointKey: KEY,
  user: { "http.proxy": PROXY },
};

scenario("a refused key leads to another one, which is kept out of every file", REFUSING, async ({ page, home, base, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  const before = await server(page, home);
  await command(page, "APO: Evaluate This Prompt");
  const said = await message(page, "did not accept the key");
  await picture("refused");
  await said.getByRole("button", { name: "Set API key" }).click();
  await answer(page, KEY);
  await message(page, "The API key is stored.");
  const after = await server(page, home, before);
  const given = readFileSync(`/proc/${after}/environ`, "utf8").split("\0");
  assert.ok(given.includes(`OPENAI_API_KEY=${KEY}`));
  assert.ok(given.includes(`HTTPS_PROXY=${PROXY}`), "and the editor's proxy, past which what is on this machine is asked");
  await command(page, "APO: Test Connection");
  await message(page, "The connection works: 1 model at http://127.0.0.1");
  await picture("connection");
  await command(page, "APO: Evaluate This Prompt");
  await lens(page, /acc [\d.]+ %/);
  await command(page, "APO: Report a Problem");
  await page.locator(".tab.active", { hasText: "A problem with APO" }).waitFor();
  const told = await until("the report", async () => {
    const words = (await lines(page)).join("\n");
    return /- apo\.background: gradients/.test(words) && words;
  });
  assert.doesNotMatch(told, /sk-|help desk|refund/);
  const holding = [home, base].flatMap((folder) => filesBelow(folder, /./)).filter((file) => {
    try {
      return readFileSync(file).includes(KEY);
    } catch {
      return false;
    }
  });
  assert.deepEqual(holding, []);
});

scenario("an endpoint that is down leads to the test, and that to the address", {}, async ({ page, endpoint, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  endpoint.stop();
  await command(page, "APO: Evaluate This Prompt");
  const said = await message(page, "No answer from", 120_000);
  await picture("down");
  await said.getByRole("button", { name: "Test connection" }).click();
  const found = await message(page, "Nothing answers at");
  await found.getByRole("button", { name: "Open settings" }).click();
  await page.locator(".settings-editor").getByText("Base Url").first().waitFor();
});

const unknown = (folder) => {
  const file = path.join(folder, "tickets.prompt");
  writeFileSync(file, readFileSync(file, "utf8").replace("openai/scripted", "nobody/knows"));
};

scenario("a model that nobody knows leads to where it is named", { before: unknown }, async ({ page, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  await command(page, "APO: Evaluate This Prompt");
  const said = await message(page, "'nobody/knows' names no model that can be opened");
  await page.locator(".squiggly-error").first().waitFor({ state: "attached" });
  await picture("unknown");
  await said.getByRole("button", { name: "Show" }).click();
  await page.locator(".statusbar-item", { hasText: "Ln 2, Col 1" }).waitFor();
});

scenario("a prompt that another extension claims is served all the same", { beside: ["claimant"] }, async ({ page }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  await command(page, "APO: Optimize This Prompt");
  await message(page, "Adopt the winner");
});

scenario("two windows on one folder pay once", {}, async ({ page, address, folder, endpoint }) => {
  const other = await page.context().browser().newPage();
  await other.goto(address(folder));
  for (const window of [page, other]) {
    await window.bringToFront();
    await openFile(window, "tickets.prompt");
    await lens(window, /Optimize/);
  }
  await command(other, "APO: Evaluate This Prompt");
  const there = await lens(other, /acc [\d.]+ %/);
  assert.equal(await endpoint.asked(), 105);
  await page.bringToFront();
  await command(page, "APO: Evaluate This Prompt");
  assert.equal(await lens(page, /acc [\d.]+ %/), there);
  assert.equal(await endpoint.asked(), 105);
});
