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

/** What any program needs to find its files, its language and its libraries. */
const BASIC = words(`
  PATH HOME USER LOGNAME LANG LANGUAGE TZ TMPDIR TMP TEMP LD_LIBRARY_PATH DYLD_LIBRARY_PATH DYLD_FALLBACK_LIBRARY_PATH
  XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME ALLUSERSPROFILE APPDATA COMMONPROGRAMFILES COMSPEC HOMEDRIVE
  HOMEPATH LOCALAPPDATA NUMBER_OF_PROCESSORS PATHEXT PROCESSOR_ARCHITECTURE PROGRAMDATA PROGRAMFILES PUBLIC SYSTEMDRIVE
  SYSTEMROOT USERNAME USERPROFILE WINDIR
`);
/** What it takes to reach a package index: proxies, whose addresses may hold a password, and certificates. */
const INDEX = words(`HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE`);

/** The safe surroundings of an interpreter that is asked what it is: it sees no key. */
export function askingSurroundings(cwd: string, env: NodeJS.ProcessEnv): Surroundings {
  return listed(cwd, env, (name) => BASIC.has(name) || name.startsWith("LC_"));
}

/** The safe surroundings of pip: those of an interpreter that is asked, and the way to the package index. */
export function installingSurroundings(cwd: string, env: NodeJS.ProcessEnv): Surroundings {
  return listed(cwd, env, (name) => BASIC.has(name) || INDEX.has(name) || /^(LC|PIP)_/.test(name));
}

function listed(cwd: string, env: NodeJS.ProcessEnv, belongs: (name: string) => boolean): Surroundings {
  const chosen = Object.entries(env).filter(([name]) => belongs(name.toUpperCase()) || name === "PYTHONUSERBASE");
  return safeSurroundings(cwd, Object.fromEntries(chosen));
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/** The same surroundings, but Python imports from the folders `modules` before all else, and from no folder of the user's. */
export function ownSurroundings(safe: Surroundings, modules: readonly string[]): Surroundings {
  const { cwd, env } = safeSurroundings(safe.cwd, { ...safe.env, PYTHONUSERBASE: undefined });
  return { cwd, env: { ...env, PYTHONPATH: modules.join(path.delimiter), PYTHONNOUSERSITE: "1" } };
}
