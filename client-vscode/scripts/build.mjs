/** Bundles the extension into out/extension.js, with the licences of what went into the bundle beside it. */
import { mkdirSync, writeFileSync } from "node:fs";

import { build } from "esbuild";

import { notices } from "./notices.mjs";
import { reportFiles } from "./report.mjs";

const { metafile } = await build({
  entryPoints: ["src/extension.ts"],
  outfile: "out/extension.js",
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  minify: true,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
});

writeFileSync("out/THIRD_PARTY_NOTICES.txt", notices(metafile));

const page = await reportFiles();
mkdirSync("out/report", { recursive: true });
for (const [name, text] of Object.entries(page)) {
  writeFileSync(`out/report/${name}`, text);
}
