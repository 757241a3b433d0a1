/**
 * Builds the extension's file, under the licence of the repository.
 *
 * With the word `bundled` it carries the server, as the wheels that scripts/wheels.py has collected, and is for their
 * platform; without it carries none, fits every platform, and looks for a server that is installed.
 */
import { copyFileSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";

import { createVSIX } from "@vscode/vsce";

const MOST_BYTES = 40e6;
const bundled = process.argv.includes("bundled");

await import("./build.mjs");
copyFileSync("../LICENSE", "LICENSE");
const { name, version } = JSON.parse(readFileSync("package.json", "utf8"));
writeFileSync("out/vscodeignore", readFileSync(".vscodeignore", "utf8") + (bundled ? "!wheels/*\n" : ""));
const target = bundled ? JSON.parse(readFileSync("wheels/manifest.json", "utf8")).target : undefined;
const packagePath = [name, ...(target === undefined ? [] : [target]), `${version}.vsix`].join("-");
await createVSIX({ packagePath, target, ignoreFile: "out/vscodeignore", dependencies: false, allowMissingRepository: true });
const { size } = statSync(packagePath);
if (size > MOST_BYTES) {
  rmSync(packagePath);
  console.error(`${packagePath} would have ${(size / 1e6).toFixed(1)} MB, and 40 MB is the most an install may cost.`);
  process.exit(1);
}
console.log(`${packagePath}: ${(size / 1e6).toFixed(2)} MB`);
