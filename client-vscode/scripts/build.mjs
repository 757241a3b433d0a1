/** Bundles the extension into out/extension.js, and what it loads later into out/connection.js; beside it the licences of what went into the bundle, the sample, and the page. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { build } from "esbuild";

import { notices } from "./notices.mjs";
import { reportFiles } from "./report.mjs";

/** What is imported by a call is another file. */
function later({ kind }) {
  return kind === "dynamic-import" ? { path: "./connection.js", external: true } : undefined;
}

const { metafile } = await build({
  entryPoints: { extension: "src/extension.ts", connection: "src/server/connection.ts" },
  outdir: "out",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  plugins: [{ name: "later", setup: (bundler) => bundler.onResolve({ filter: /^\.\/connection$/ }, later) }],
  minify: true,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
});

writeFileSync("out/THIRD_PARTY_NOTICES.txt", notices(metafile));

mkdirSync("out/report", { recursive: true });
for (const [name, text] of Object.entries(await reportFiles())) {
  writeFileSync(path.join("out/report", name), text);
}

mkdirSync("out/sample", { recursive: true });
for (const name of ["first.prompt", "first.jsonl"]) {
  copyFileSync(path.join("../apo_engine/cli/first", name), path.join("out/sample", name));
}
