/**
 * How fast the extension is there: its activation, and the first error on the screen of a window that opens with a warm
 * cache; beside it, in the same run, the smallest extension that could start another server in Python (pylsp), and VS Code's
 * own extension for JSON, whose server is Node's and comes with it.
 *
 * `make bench-extension` runs it, and prints the table that is kept in benchmarks/README.md.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { command } from "../../tests/e2e/editor.mjs";
import { besides, ROOT, vsix } from "../../tests/e2e/stage.mjs";
import { openWorkbench, throwAway, until } from "../../tests/e2e/workbench.mjs";

const WINDOWS = 10;
/** So long (ms) the window before and its server may take to end: their end is no part of a start. */
const REST = 5_000;
const OTHER = path.join(ROOT, ".venv-servers/bin/python");
const FILES = {
  "first.prompt": "---\nmodel: openai/gpt-4o-mini\ninput: {schema: {text: string}}\n---\n{{#if text}}\nSummarize: {{text}}\n",
  "other.py": "import os\n\ndef broken(:\n    pass\n",
  "own.json": '{"name": "own", "broken": }\n',
};

if (!existsSync(OTHER)) {
  throw new Error("pylsp is missing: make .venv-servers/.installed");
}
const client = path.join(ROOT, "client-vscode");
const beside = path.join(ROOT, "tests/e2e/beside/python-backed");
const bundle = ["--bundle", "--minify", "--platform=node", "--external:vscode", `--outfile=${beside}/out/main.js`];
execFileSync(path.join(client, "node_modules/.bin/esbuild"), [path.join(beside, "main.js"), ...bundle], {
  env: { ...process.env, NODE_PATH: path.join(client, "node_modules") },
  stdio: "pipe",
});

const base = throwAway("apo-bench-");
const folders = Object.entries(FILES).map(([name, text]) => {
  const folder = path.join(base, path.extname(name).slice(1));
  mkdirSync(folder);
  writeFileSync(path.join(folder, name), text);
  return { name, folder };
});
const { page, address, close } = await openWorkbench({
  folder: folders[0].folder,
  extensions: [vsix(), ...besides(["python-backed"])],
  environment: { APO_BENCH_PYTHON: OTHER },
  scale: 1,
});

await page.addInitScript(watch, {
  opened: ".monaco-workbench",
  legible: ".editor-instance .view-line",
  drawn: ".squiggly-error",
});

const [load = 0] = loadavg();
console.log(`load before: ${load.toFixed(1)}, on ${cpus().length} processors\n`);
const windows = Object.fromEntries(Object.keys(FILES).map((name) => [name, []]));
const activations = [];
try {
  for (const { name, folder } of folders) {
    await page.goto(windowOf(name, folder));
    await seen();
  }
  for (let number = 0; number < WINDOWS; number += 1) {
    for (const { name, folder } of folders) {
      await page.goto("about:blank");
      await pause(REST);
      await page.goto(windowOf(name, folder), { waitUntil: "commit" });
      const { opened, legible, started, drawn } = await seen();
      windows[name].push({ opened: drawn - opened, legible: drawn - legible, started: drawn - started });
      if (name === "first.prompt") {
        activations.push(await activation(opened));
      }
    }
  }
} finally {
  await close();
}

console.log("| first error on the screen, warm | median | worst |\n| --- | --- | --- |");
for (const [name, told] of [
  ["APO", windows["first.prompt"]],
  ["pylsp, as small as an extension can be", windows["other.py"]],
  ["VS Code's own JSON", windows["own.json"]],
]) {
  row(`${name}: after the text is drawn`, told.map(({ legible }) => legible));
  row(`${name}: after the window's first frame`, told.map(({ opened }) => opened));
  row(`${name}: after VS Code counts the window as open`, told.map(({ started }) => started));
}
row("APO: from the first frame until VS Code activates it", activations.map(({ begun }) => begun));
row("activation of APO in the extension host", activations.map(({ own }) => own));
row("activation of APO as VS Code counts it, other extensions' code included", activations.map(({ counted }) => counted));

/** The address of a window in which a file is open. */
function windowOf(name, folder) {
  const file = `vscode-remote://${new URL(address(folder)).host}${path.join(folder, name)}`;
  return `${address(folder)}&payload=${encodeURIComponent(JSON.stringify([["openFile", file]]))}`;
}

/** In the page, for whoever asks again and again from outside takes the processor from what is measured: when each thing was first there. */
function watch(selectors) {
  const there = {};
  window.there = there;
  const timer = setInterval(() => {
    const missing = Object.keys(selectors).filter((name) => !(name in there));
    for (const name of missing.filter((one) => document.querySelector(selectors[one]))) {
      there[name] = performance.now();
    }
    if (missing.length === 0 || window !== window.top) {
      clearInterval(timer);
    }
  }, 10);
}

/** When (ms) each thing was there, once the error is drawn; `started` is the end of VS Code's own account of a start. */
async function seen() {
  await page.waitForFunction(() => window.there.drawn, undefined, { polling: 250 });
  return page.evaluate(() => ({
    ...window.there,
    started: performance.getEntriesByName("code/didStartWorkbench")[0].startTime,
  }));
}

/**
 * VS Code's own account of the start, in ms: what the extension took to load and to hand control back; `counted`, the same
 * from when it was to be loaded, with whatever was loaded before it meanwhile; and when it was activated, after `opened`.
 */
async function activation(opened) {
  const origin = await page.evaluate(() => performance.timeOrigin);
  await command(page, "Developer: Startup Performance");
  const [load] = await found("didLoadExtensionCode/apo", /didLoadExtensionCode\/apo\S+\s+\d+\s+(\d+)/);
  const [counted, call] = await found("| apo.apo-language", /\| apo\.\S+\s*\|[^|]*\|\s*(\d+)\s*\|\s*(\d+)/);
  const [begun] = await found("willActivateExtension/apo", /willActivateExtension\/apo\S+\s+(\d+)/);
  await page.keyboard.press("Control+F4");
  return { own: load + call, counted: counted + call, begun: begun - origin - opened };
}

/** The numbers on the line that the editor's search finds; what is shown may still be written. */
async function found(words, numbers) {
  const lines = page.locator(".editor-instance .view-line");
  const match = await until(words, async () => {
    await page.locator(".editor-instance .monaco-editor").first().click({ position: { x: 300, y: 40 } });
    await page.keyboard.press("Control+F");
    await page.keyboard.press("Control+A");
    await page.keyboard.type(words);
    await pause(500);
    const shown = await lines.allInnerTexts();
    await page.keyboard.press("Escape");
    return shown.map((line) => line.replaceAll("\u00a0", " ").match(numbers)).find(Boolean);
  });
  return match.slice(1).map(Number);
}

function row(name, figures) {
  const sorted = figures.toSorted((one, other) => one - other);
  console.log(`| ${name} | ${Math.round(sorted[Math.floor(sorted.length / 2)])} ms | ${Math.round(sorted.at(-1))} ms |`);
}
