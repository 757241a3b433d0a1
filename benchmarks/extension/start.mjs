/**
 * How fast the extension is there: its activation, and the first error on the screen of a window that opens with a warm
 * cache; beside it, in the same run, the smallest extension that could start another server in Python (pylsp).
 *
 * `make bench-extension` runs it, and prints the table that is kept in benchmarks/README.md.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import path from "node:path";

import { command } from "../../tests/e2e/editor.mjs";
import { besides, ROOT, vsix } from "../../tests/e2e/stage.mjs";
import { openWorkbench, throwAway, until } from "../../tests/e2e/workbench.mjs";

const WINDOWS = 10;
const OTHER = path.join(ROOT, ".venv-servers/bin/python");
const FILES = {
  "first.prompt": "---\nmodel: openai/gpt-4o-mini\ninput: {schema: {text: string}}\n---\n{{#if text}}\nSummarize: {{text}}\n",
  "other.py": "import os\n\ndef broken(:\n    pass\n",
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
});

const [load = 0] = loadavg();
console.log(`load before: ${load.toFixed(1)}, on ${cpus().length} processors\n`);
const windows = { "first.prompt": [], "other.py": [] };
const activations = [];
try {
  for (const { name, folder } of folders) {
    await page.goto(window(name, folder));
    await firstError();
  }
  for (let number = 0; number < WINDOWS; number += 1) {
    for (const { name, folder } of folders) {
      await page.goto(window(name, folder));
      await page.locator(".monaco-workbench").waitFor();
      const opened = Date.now();
      await page.locator(".editor-instance .view-line").first().waitFor();
      const legible = Date.now();
      await firstError();
      const drawn = Date.now();
      windows[name].push({ opened: drawn - opened, legible: drawn - legible });
      if (name === "first.prompt") {
        activations.push(await activation());
      }
    }
  }
} finally {
  await close();
}

console.log("| first error on the screen, warm | median | worst |\n| --- | --- | --- |");
for (const [name, told] of [["APO", windows["first.prompt"]], ["pylsp, as small as an extension can be", windows["other.py"]]]) {
  row(`${name}: after the text is drawn`, told.map(({ legible }) => legible));
  row(`${name}: after the window's first frame`, told.map(({ opened }) => opened));
}
row("activation of APO in the extension host", activations);

/** The address of a window in which a file is open. */
function window(name, folder) {
  const file = `vscode-remote://${new URL(address(folder)).host}${path.join(folder, name)}`;
  return `${address(folder)}&payload=${encodeURIComponent(JSON.stringify([["openFile", file]]))}`;
}

async function firstError() {
  await page.locator(".squiggly-error").first().waitFor({ state: "attached" });
}

/** What VS Code itself says of the time (ms) that the activation took. */
async function activation() {
  await command(page, "Developer: Show Running Extensions");
  const line = page.locator(".runtime-extensions-editor .monaco-list-row", { hasText: "APO" }).first();
  const words = await until("its line", async () => (await line.innerText()).match(/(\d+)\s*ms/)?.[1]);
  await page.keyboard.press("Control+F4");
  return Number(words);
}

function row(name, figures) {
  const sorted = figures.toSorted((one, other) => one - other);
  console.log(`| ${name} | ${sorted[Math.floor(sorted.length / 2)]} ms | ${sorted.at(-1)} ms |`);
}
