/** In which folder and with which variables a program is started: with none by which a workspace could get into Python. */
import { mkdirSync } from "node:fs";
import path from "node:path";

export interface Surroundings {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** An empty folder to start programs in, below `storage`; `otherwise` where it cannot be made. */
export function workingFolder(storage: string, otherwise: string): string {
  const folder = path.join(storage, "cwd");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch {
    return otherwise;
  }
}

/**
 * The surroundings in which no file of the workspace can take the place of a Python module, also for a Python that is
 * too old for `-P`: it puts the working folder first on its module path. Of what the user has set for Python, only the
 * folder of `pip install --user` stays.
 */
export function safeSurroundings(cwd: string, env: NodeJS.ProcessEnv): Surroundings {
  const others = Object.entries(env).filter(([name]) => !/^PYTHON/i.test(name));
  const userBase = env["PYTHONUSERBASE"] ?? "";
  const kept = path.isAbsolute(userBase) ? { PYTHONUSERBASE: userBase } : {};
  return { cwd, env: { ...Object.fromEntries(others), ...kept, PYTHONSAFEPATH: "1", PYTHONUTF8: "1" } };
}

/** The same surroundings, but Python imports from the folders `modules` before all else, and from no folder of the user's. */
export function ownSurroundings(safe: Surroundings, modules: readonly string[]): Surroundings {
  const { cwd, env } = safeSurroundings(safe.cwd, { ...safe.env, PYTHONUSERBASE: undefined });
  return { cwd, env: { ...env, PYTHONPATH: modules.join(path.delimiter), PYTHONNOUSERSITE: "1" } };
}
