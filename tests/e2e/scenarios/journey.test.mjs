/** From an installed extension to an accepted, measured rewrite. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";

import { command, focus, hoverFirstMark, lens, lines, message, openFile, pressLens, quickFixes, save, score } from "../editor.mjs";
import { scenario } from "../stage.mjs";
import { until } from "../workbench.mjs";

const FIRST_LINE = "You work at the help desk";

scenario("critique, rewrite, better score", {}, async ({ page, folder, picture }) => {
  await openFile(page, "tickets.prompt");
  assert.equal(await lens(page, /Evaluate(?= \|)/), "Evaluate");
  await command(page, "APO: Explain What Fails");
  const before = await score(page);
  await picture("critiques");
  const hover = await hoverFirstMark(page);
  assert.match(hover, /Critique — explains \d+ % of the failures/);
  assert.match(hover, /points on 45 selection rows/);
  await picture("hover");
  await page.keyboard.press("Escape");
  const text = readFileSync(path.join(folder, "tickets.prompt"), "utf8");
  const fixes = await quickFixes(page, FIRST_LINE);
  await picture("fixes");
  await fixes.filter({ hasText: /^Apply rewrite: \+/ }).first().click();
  await page.locator(".tab.active.dirty").waitFor();
  await save(page);
  assert.notEqual(readFileSync(path.join(folder, "tickets.prompt"), "utf8"), text);
  const after = await until("a better score", async () => {
    const now = await score(page);
    return now > before ? now : undefined;
  }, 60_000);
  await picture("better");
  assert.ok(after > before);
});

scenario("optimize, apply the winner, undo", { user: { "editor.inlayHints.enabled": "off" } }, async ({ page, folder, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  // Where long lines are broken depends on what is drawn beside them.
  const shown = async () => (await lines(page)).join("").trimEnd();
  const text = readFileSync(path.join(folder, "tickets.prompt"), "utf8").replaceAll("\n", "");
  await pressLens(page, "Optimize");
  await page.locator(".statusbar-item", { hasText: /APO \d+ %/ }).first().waitFor();
  await picture("running");
  const verdict = await message(page, "Adopt the winner");
  assert.match(await verdict.innerText(), /\+\d+\.\d points on 45 unseen rows/);
  await picture("verdict");
  const fixes = await quickFixes(page, FIRST_LINE);
  const byMessage = async () => verdict.getByRole("button", { name: "Apply" }).click();
  const byQuickFix = async () => fixes.filter({ hasText: "Apply the winner of the run" }).first().click();
  for (const apply of [byQuickFix, byMessage]) {
    await apply();
    await page.locator(".tab.active.dirty").waitFor();
    await picture("applied");
    await until("a longer text", async () => (await shown()).length > text.length);
    await focus(page);
    await page.keyboard.press("Control+z");
    await page.locator(".tab.active.dirty").waitFor({ state: "detached" });
    await until("the text as it was", async () => (await shown()) === text);
  }
});

scenario("cancel", { latency: 30 }, async ({ page, endpoint, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Evaluate/);
  await command(page, "APO: Evaluate This Prompt");
  await until("requests are out", async () => (await endpoint.asked()) > 0);
  await lens(page, /Evaluating …/);
  await picture("running");
  await pressLens(page, "Cancel");
  await lens(page, /Evaluate(?= \|)/);
  const asked = await endpoint.asked();
  await page.waitForTimeout(1_500);
  assert.equal(await endpoint.asked(), asked);
});
