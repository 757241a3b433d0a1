/** What a run found, in views of its own: the tree of candidates, their differences, the report, the rows. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { command, focus, frameWith, lens, lines, message, openFile, quickFixes } from "../editor.mjs";
import { scenario } from "../stage.mjs";
import { until } from "../workbench.mjs";

const PLAIN = { "editor.inlayHints.enabled": "off" };

/** Opens the view of candidates. */
async function openCandidates(page) {
  await page.locator('.activitybar [aria-label="APO"]').first().click();
  await page.locator('.pane-body .tree-explorer-viewlet-tree-view').first().waitFor();
}

/** The lines of the tree. */
function entries(page) {
  return page.locator(".tree-explorer-viewlet-tree-view .monaco-list-row");
}

const report = async (page) => frameWith(page, "main h1");

scenario("candidates grow, compare, apply, undo", { latency: 1, user: PLAIN }, async ({ page, endpoint, folder, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  await openCandidates(page);
  await page.getByText("Optimize this prompt to see its candidates.").waitFor();
  await command(page, "APO: Optimize This Prompt");
  const early = await until("a first candidate", async () => {
    const count = await entries(page).count();
    return count > 1 ? count : undefined;
  });
  assert.ok(!(await lens(page, /Optimi[zs]\w+/)).startsWith("Optimize |"), "the run goes on");
  endpoint.hurry(0.02);
  const verdict = await message(page, "Adopt the winner");
  await entries(page).filter({ hasText: "winner" }).waitFor();
  assert.ok((await entries(page).count()) > early);
  await picture("tree");
  const text = readFileSync(path.join(folder, "tickets.prompt"), "utf8");
  await verdict.getByRole("button", { name: "Compare" }).click();
  await page.locator(".tab.active", { hasText: "↔ candidate" }).waitFor();
  await page.locator(".monaco-diff-editor .line-insert").first().waitFor();
  await picture("difference");
  await entries(page).filter({ hasText: "winner" }).hover();
  await entries(page).filter({ hasText: "winner" }).locator('[aria-label^="Apply Candidate"]').click();
  await page.locator(".monaco-diff-editor .line-insert").first().waitFor({ state: "detached" });
  assert.equal(readFileSync(path.join(folder, "tickets.prompt"), "utf8"), text, "nothing is saved unasked");
  await openFile(page, "tickets.prompt");
  const aboutRefunds = async () => (await lines(page)).some((line) => line.startsWith("Tickets about refunds"));
  await until("the winner's text", aboutRefunds);
  await focus(page);
  await page.keyboard.press("Control+z");
  await page.locator(".tab.active.dirty").waitFor({ state: "detached" });
  await until("the text as it was", async () => !(await aboutRefunds()));
  await openCandidates(page);
  await entries(page).nth(1).click();
  await page.locator(".tab.active", { hasText: "round 1" }).waitFor();
});

const THEMES = ["Light Modern", "Default High Contrast", "Default High Contrast Light"];

scenario("the report panel follows a run, in every theme", { latency: 1, user: PLAIN }, async ({ page, endpoint, folder, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  await command(page, "APO: Open Report");
  await message(page, "Nothing is known of this prompt yet");
  await command(page, "APO: Optimize This Prompt");
  await until("the panel", async () => {
    if ((await page.locator(".tab", { hasText: "Optimization of" }).count()) > 0) {
      return true;
    }
    await page.locator(".statusbar-item", { hasText: /APO \d+ %/ }).first().click({ timeout: 2_000 }).catch(() => undefined);
    return false;
  });
  const frame = await report(page);
  assert.equal(await frame.locator(".callout").innerText(), "Running: what is known so far.");
  await picture("running");
  await frame.locator(".candidates button").first().focus({ timeout: 60_000 });
  const reached = async () => frame.evaluate(() => document.activeElement.getAttribute("data-key"));
  const place = await reached();
  assert.ok(place);
  endpoint.hurry(0.02);
  await frame.locator(".callout.adopt").waitFor({ timeout: 60_000 });
  assert.equal(await reached(), place, "news leave whoever goes through the page by keyboard where they are");
  assert.match(await frame.locator(".callout").innerText(), /^Adopt the winner: \+\d+\.\d points on 45 unseen rows/);
  const ran = await frame.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.smuggled = true";
    document.body.append(script);
    script.remove();
    return window.smuggled ?? false;
  });
  assert.equal(ran, false, "the page's policy lets no script in but its own");
  const headings = await frame.locator("h2").allInnerTexts();
  assert.deepEqual(headings.slice(0, 5), ["Why it fails", "Score by round", "Search tree", "What it changes", "Confusion"]);
  assert.ok((await frame.locator(".plot").count()) >= 2);
  const chosen = async () => frame.locator('.candidates [aria-pressed="true"]').evaluateAll((all) => all.map((one) => one.innerText));
  const [winner] = await chosen();
  await frame.locator(".candidates button").last().click();
  const [other] = await until("another candidate is chosen by mouse", async () => {
    const now = await chosen();
    return now[0] === winner ? undefined : now;
  });
  // What was chosen has the focus; the one before it is a step back.
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await until("and by keyboard", async () => (await chosen())[0] !== other);
  await frame.locator(".link").first().focus();
  await page.keyboard.press("Enter");
  await page.locator(".tab.active", { hasText: "tickets.jsonl" }).waitFor();
  await page.locator(".glyph-margin-widgets [class*=TextEditorDecorationType]").first().waitFor();
  await picture("rows");
  const colours = () =>
    frame.evaluate(() => {
      const style = getComputedStyle(document.body);
      return [style.backgroundColor, style.color];
    });
  let before = await colours();
  mkdirSync(path.join(folder, ".vscode"));
  for (const theme of THEMES) {
    writeFileSync(path.join(folder, ".vscode/settings.json"), JSON.stringify({ "workbench.colorTheme": theme }));
    const [ground, text] = await until(theme, async () => {
      const now = await colours();
      return now.join() === before.join() ? undefined : now;
    });
    assert.notEqual(ground, text);
    await picture(theme);
    before = [ground, text];
  }
});

scenario("one row, in full", { user: PLAIN }, async ({ page, picture }) => {
  await openFile(page, "tickets.prompt");
  await lens(page, /Optimize/);
  await openFile(page, "tickets.jsonl");
  const run = async (row) => {
    const actions = await quickFixes(page, row);
    await actions.filter({ hasText: "Run tickets.prompt on this row" }).click();
  };
  await run("#0000");
  const kept = await message(page, "kept for the verdict");
  await picture("sealed");
  await kept.getByRole("button", { name: "Show" }).click();
  await run("#0008");
  const shown = await (await frameWith(page, "h1:has-text('line 9')")).locator("body").innerText();
  await picture("page");
  assert.match(shown, /You work at the help desk of a shop/, "the messages as they are sent");
  assert.match(shown, /Answer\s+shipping\s+Expected\s+technical/);
});
