/** What {@link resolve} needs to know about this machine, asked for real. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import path from "node:path";

import { type Answer, QUESTION, understood } from "../environment/interpreter";

/** How an interpreter is started, for the question as for the server. */
export interface Surroundings {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * The surroundings in which no file of the workspace can take the place of a Python module:
 * Python puts the working directory first on its module path, so that directory is the extension's own.
 */
export function safeSurroundings(extensionPath: string, env: NodeJS.ProcessEnv): Surroundings {
  return { cwd: extensionPath, env: { ...env, PYTHONSAFEPATH: "1", PYTHONUTF8: "1" } };
}

/**
 * The surroundings in which Python imports from the folders `modules` before all else, and in the processes that it starts too.
 * What the user has set for other Python programs does not reach it.
 */
export function ownSurroundings({ cwd, env }: Surroundings, modules: readonly string[]): Surroundings {
  const others = Object.entries(env).filter(([name]) => !/^PYTHON/i.test(name));
  const own = { PYTHONPATH: modules.join(path.delimiter), PYTHONNOUSERSITE: "1", PYTHONSAFEPATH: "1", PYTHONUTF8: "1" };
  return { cwd, env: { ...Object.fromEntries(others), ...own } };
}

/** What the interpreter that `command` starts says of itself. */
export async function ask(
  command: string,
  args: readonly string[],
  surroundings: Surroundings,
  timeout = 10_000,
): Promise<Answer> {
  return new Promise((settle) => {
    execFile(command, [...args, "-c", QUESTION], { ...surroundings, timeout, windowsHide: true }, (error, output) => {
      const interpreter = error === null ? understood(output) : undefined;
      settle(interpreter === undefined ? { ok: false, clause: clause(command, error) } : { ok: true, interpreter });
    });
  });
}

export async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function clause(command: string, error: { code?: string | number | null; killed?: boolean } | null): string {
  if (error?.code === "ENOENT") {
    return `${command} does not exist`;
  }
  return error?.killed === true ? `${command} does not answer` : `${command} does not start as a Python interpreter`;
}
