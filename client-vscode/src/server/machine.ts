/** What {@link resolve} needs to know about this machine, asked for real. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";

/** Exit status of {@link QUESTION} when the interpreter lacks the server. */
const NOT_INSTALLED = 3;
/** Exit status of {@link QUESTION} when the interpreter is too old. */
const TOO_OLD = 4;
const QUESTION = [
  "import importlib.util, sys",
  `if sys.version_info < (3, 10): sys.exit(${TOO_OLD})`,
  `sys.exit(0 if importlib.util.find_spec("apo_server") else ${NOT_INSTALLED})`,
].join("\n");

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

/** Why `interpreter` cannot run the server, as a clause that names the interpreter; undefined when it can. */
export async function objection(
  interpreter: string,
  surroundings: Surroundings,
  timeout = 10_000,
): Promise<string | undefined> {
  return new Promise((settle) => {
    execFile(interpreter, ["-c", QUESTION], { ...surroundings, timeout, windowsHide: true }, (error) => {
      settle(error === null ? undefined : clause(interpreter, error));
    });
  });
}

export async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function clause(interpreter: string, error: { code?: string | number | null; killed?: boolean }): string {
  if (error.code === NOT_INSTALLED) {
    return `apo-language-server is not installed in ${interpreter}`;
  }
  if (error.code === TOO_OLD) {
    return `${interpreter} is older than Python 3.10`;
  }
  if (error.code === "ENOENT") {
    return `${interpreter} does not exist`;
  }
  return error.killed === true ? `${interpreter} does not answer` : `${interpreter} does not start as a Python interpreter`;
}
