/** Builds apo-language-server-<version>.vsix, under the licence of the repository. */
import { copyFileSync, readFileSync, statSync } from "node:fs";

import { createVSIX } from "@vscode/vsce";

await import("./build.mjs");
copyFileSync("../LICENSE", "LICENSE");
const { name, version } = JSON.parse(readFileSync("package.json", "utf8"));
const packagePath = `${name}-${version}.vsix`;
await createVSIX({ packagePath, dependencies: false, allowMissingRepository: true });
console.log(`${packagePath}: ${(statSync(packagePath).size / 1024).toFixed(0)} KiB`);
