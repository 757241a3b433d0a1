/** The stage of a scenario: a folder of tickets, the endpoint that knows their world, and a workbench. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";

import { openWorkbench, throwAway } from "./workbench.mjs";

const HERE = path.dirname(new URL(import.meta.url).pathname);
export const ROOT = path.join(HERE, "../..");
const ARTEFACTS = path.join(HERE, "artefacts");
const VSCE = path.join(ROOT, "client-vscode/node_modules/.bin/vsce");
/** How long a scenario may take before it counts as hanging, in milliseconds. */
const LONGEST = 300_000;
const PYTHON = process.env.APO_E2E_PYTHON ?? path.join(ROOT, ".venv/bin/python");
const WRITE = "import pathlib, sys; from tests.scripted.world import World; World(150).write(pathlib.Path(sys.argv[1]))";

/** The extension as it is installed: with the server for this platform in it. */
export function vsix() {
  const folder = path.join(ROOT, "client-vscode");
  const found = readdirSync(folder).filter((name) => name.endsWith(".vsix") && name.includes(`-${process.platform}-${process.arch}-`));
  if (found.length !== 1) {
    throw new Error(`There are ${found.length} extensions for this platform in client-vscode; make one: make vsix`);
  }
  return path.join(folder, found[0]);
}

/** The extensions of this folder that are to be there too, by name. */
export function besides(names) {
  const base = throwAway("apo-e2e-beside-");
  return names.map((name) => {
    const file = path.join(base, `${name}.vsix`);
    const args = ["package", "--no-dependencies", "--skip-license", "--allow-missing-repository", "--out", file];
    execFileSync(VSCE, args, { cwd: path.join(HERE, "beside", name), stdio: "pipe" });
    return file;
  });
}

/** An endpoint on this machine; its address, and what it has been asked. With a key it refuses everybody else. */
async function startEndpoint(latency, key) {
  const args = ["-m", "tests.scripted", "--port", "0", "--rows", "150", "--latency", String(latency)];
  if (key !== undefined) {
    args.push("--key", key);
  }
  const endpoint = spawn(PYTHON, args, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(endpoint.stdout, "data");
  const address = String(line).trim();
  return {
    address,
    asked: async () => (await (await fetch(address.replace(/\/v1$/, "/log"))).json()).exchanges.length,
    /** From now on, each answer takes so many seconds. */
    hurry: (seconds) => endpoint.stdin.write(`${seconds}\n`),
    stop: () => endpoint.kill(),
  };
}

/**
 * A scenario: `steps` are given the open page, the folder and more, and may take pictures.
 *
 * `options` are those of the workbench, and `latency` (seconds) and `endpointKey` of the endpoint; `before` prepares the
 * folder, and `beside` names other extensions. No scenario is tried twice: what fails now and then is broken.
 */
export function scenario(name, options, steps) {
  test(name, { timeout: LONGEST }, async () => {
    const { latency = 0.02, endpointKey, before, environment, beside = [], ...workbench } = options;
    const base = mkdtempSync(path.join(tmpdir(), "apo-e2e-"));
    const folder = path.join(base, "help-desk");
    mkdirSync(folder);
    mkdirSync(ARTEFACTS, { recursive: true });
    execFileSync(PYTHON, ["-c", WRITE, folder], { cwd: ROOT });
    before?.(folder);
    const endpoint = await startEndpoint(latency, endpointKey);
    try {
      const given = { OPENAI_BASE_URL: endpoint.address, OPENAI_API_KEY: "sk-scripted", APO_CACHE_DIR: path.join(base, "cache") };
      const opened = {
        folder,
        extensions: [vsix(), ...besides(beside)],
        environment: { ...given, ...environment?.(endpoint.address) },
        ...workbench,
      };
      await play(name, opened, { base, folder, endpoint }, steps);
    } finally {
      endpoint.stop();
      rmSync(base, { recursive: true, force: true, maxRetries: 5 });
    }
  });
}

/** Opens a workbench and does what a scenario says; where that fails, there is a picture, and what the extension logged. */
async function play(name, workbench, given, steps) {
  const stage = await openWorkbench(workbench);
  const picture = async (what) => {
    await stage.page.screenshot({ path: path.join(ARTEFACTS, `${name} - ${what}.png`.replaceAll(/[^\w .-]/g, "")) });
  };
  try {
    await steps({ ...stage, ...given, picture });
    if (stage.strangers.length > 0) {
      throw new Error(`requests to strangers: ${stage.strangers.join(", ")}`);
    }
  } catch (error) {
    await picture("failed");
    console.log(stage.log());
    throw error;
  } finally {
    await stage.close();
  }
}
