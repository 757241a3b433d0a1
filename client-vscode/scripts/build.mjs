/** Bundles the extension into out/extension.js; beside it the licences of what went into the bundle, and the sample. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { build } from "esbuild";

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

const packages = new Set(
  Object.keys(metafile.inputs).flatMap((input) => input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1] ?? []),
);
const notices = [...packages].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (file === undefined) {
    throw new Error(`${name} ${version} carries no licence text`);
  }
  return `${name} ${version} (${license})\n\n${readFileSync(path.join(folder, file), "utf8").trim()}\n`;
});
writeFileSync("out/THIRD_PARTY_NOTICES.txt", notices.join(`\n${"-".repeat(80)}\n\n`));

mkdirSync("out/sample", { recursive: true });
for (const name of ["first.prompt", "first.jsonl"]) {
  copyFileSync(path.join("../apo_engine/cli/first", name), path.join("out/sample", name));
}
