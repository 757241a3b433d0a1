/** What a user does and sees in the workbench. */
import { until } from "./workbench.mjs";

const EDITOR = ".editor-instance .monaco-editor";
const INPUT = ".quick-input-widget:visible input";

/** Opens a file from the explorer, for good. */
export async function openFile(page, name) {
  await page.locator('.activitybar [aria-label^="Explorer"]').first().click();
  const row = page.locator(".explorer-folders-view .monaco-list-row", { hasText: name }).first();
  await until("the explorer is shown", async () => {
    if (await row.isVisible()) {
      return true;
    }
    // A click on the view that is open closes it.
    await page.locator('.activitybar [aria-label^="Explorer"]').first().click();
    return row.isVisible();
  });
  await row.dblclick();
  await page.locator(".tab.active", { hasText: name }).waitFor();
  await page.locator(`${EDITOR} .view-line`).first().waitFor();
}

/**
 * Runs a command by its title.
 *
 * The palette lists what held when it was opened, and a slow workbench puts its ">" over what was typed meanwhile: who
 * does not find the command closes the palette and opens it again.
 */
export async function command(page, title) {
  const input = page.locator(INPUT);
  const entry = page.locator(".quick-input-list .monaco-list-row.focused", { hasText: title });
  await until(`the palette offers "${title}"`, async () => {
    await page.keyboard.press("Escape");
    await focus(page);
    await page.keyboard.press("F1");
    try {
      await input.waitFor({ timeout: 5000 });
      await input.fill(`>${title}`);
      await entry.waitFor({ timeout: 5000 });
      return true;
    } catch {
      return false;
    }
  });
  await page.keyboard.press("Enter");
  await input.waitFor({ state: "hidden" });
}

/** Types what is asked for in secret. */
export async function answer(page, secret) {
  await page.locator(`${INPUT}[type="password"]`).fill(secret);
  await page.keyboard.press("Enter");
  await page.locator(INPUT).waitFor({ state: "hidden" });
}

/** Puts the caret at the end of the text, by a click into the empty space below it. */
export async function focus(page) {
  const editor = page.locator(EDITOR).first();
  await until("the editor has the focus", async () => {
    const { width, height } = await editor.boundingBox();
    await editor.click({ position: { x: width / 2, y: height - 60 } });
    return (await page.locator(`${EDITOR}.focused`).count()) > 0;
  });
}

/** The text that is shown, as far as it is drawn. */
export async function lines(page) {
  const drawn = await page.locator(`${EDITOR} .view-lines .view-line`).evaluateAll((all) =>
    all.map((line) => ({ top: line.getBoundingClientRect().top, text: line.innerText })),
  );
  return drawn.sort((one, other) => one.top - other.top).map(({ text }) => text.replaceAll("\u00a0", " "));
}

/** The lens above the prompt that matches, once it is there. */
export async function lens(page, pattern, milliseconds = 60_000) {
  return until(
    `a lens ${pattern}`,
    async () => {
      const drawn = await page.locator(".codelens-decoration").allInnerTexts();
      return drawn.join(" | ").replaceAll(/\s+/g, " ").match(pattern)?.[0];
    },
    milliseconds,
  );
}

/** The accuracy that the lens tells, in per cent, once nothing runs. */
export async function score(page) {
  return Number((await lens(page, /acc [\d.]+ %(?!.*before your edits)(?=.*Optimize)/)).split(" ")[1]);
}

/** Presses a lens. */
export async function pressLens(page, title) {
  await page.locator(".codelens-decoration a", { hasText: title }).first().click();
}

/** The hover of the first thing that is underlined. */
export async function hoverFirstMark(page) {
  const mark = page.locator(".squiggly-warning, .squiggly-info, .squiggly-error").first();
  await mark.waitFor({ state: "attached", timeout: 60_000 });
  const hover = page.locator(".monaco-hover:visible").first();
  await until("a hover", async () => {
    const box = await mark.boundingBox();
    if (box !== null) {
      await page.mouse.move(box.x + 40, box.y - 4);
      await page.mouse.move(box.x + 44, box.y + box.height / 2 - 2, { steps: 4 });
    }
    return hover.waitFor({ timeout: 3_000 }).then(() => true, () => false);
  });
  return (await hover.innerText()).replaceAll("\u00a0", " ");
}

/** The quick fixes at the first line that holds a text. */
export async function quickFixes(page, text) {
  const line = page.locator(`${EDITOR} .view-line`, { hasText: text }).first();
  const bulb = page.locator(`${EDITOR} [class*="light-bulb"], ${EDITOR} [class*="lightbulb"]`).first();
  const isHere = async () => {
    const [here, there] = [await line.boundingBox(), await bulb.boundingBox({ timeout: 1_000 }).catch(() => null)];
    return here !== null && there !== null && Math.abs(here.y - there.y) < here.height;
  };
  // What was asked for before, such as to be shown a place, may move the caret after the click.
  await until("the bulb on this line", async () => {
    await line.click({ position: { x: 20, y: 8 } });
    return until("the bulb", isHere, 3_000).catch(() => false);
  });
  const entries = page.locator(".action-widget .monaco-list-row.action");
  // A workbench that has just drawn something else, such as late decorations, closes the menu again.
  await until("the menu of quick fixes", async () => {
    await page.keyboard.press("Control+.");
    return entries.first().waitFor({ timeout: 5_000 }).then(() => true, () => false);
  });
  return entries;
}

/** Saves, and waits until the tab shows it. */
export async function save(page) {
  await page.keyboard.press("Control+s");
  await page.locator(".tab.active.dirty").waitFor({ state: "detached" });
}

/** A message in the corner that holds a text, once it is there. */
export async function message(page, text, milliseconds = 60_000) {
  const found = page.locator(".notification-toast", { hasText: text }).first();
  await found.waitFor({ timeout: milliseconds });
  return found;
}

/** The frame of a webview in which something is to be seen, once it is. */
export async function frameWith(page, selector) {
  return until(`a page with ${selector}`, async () => {
    for (const frame of page.frames()) {
      if ((await frame.locator(selector).count().catch(() => 0)) > 0) {
        return frame;
      }
    }
    return undefined;
  });
}
