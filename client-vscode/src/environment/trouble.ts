/** What keeps the server from starting: one sentence, and the one thing to do about it. */

import { plain } from "../common/plain";
import type { Setup } from "./bundle";

export type Remedy =
  | { readonly kind: "install Python" }
  | { readonly kind: "settings"; readonly setting: string }
  | { readonly kind: "logs" }
  | { readonly kind: "try again" }
  | { readonly kind: "install model" }
  /** The user agrees to run a file of the workspace, or declines; the answer holds for one identity of that file. */
  | { readonly kind: "agree"; readonly file: string; readonly identity: string };

export interface Trouble {
  readonly sentence: string;
  readonly remedy: Remedy;
}

/** More of a path would push the end of a question out of sight. */
const LONGEST_SHOWN = 100;
const AGAIN: Remedy = { kind: "try again" };
const LOGS: Remedy = { kind: "logs" };
const INSTALL_PYTHON: Remedy = { kind: "install Python" };

/** What apo.python names cannot be used; nothing else is tried, because the user has chosen. */
export function settingFails(clause: string): Trouble {
  return {
    sentence: `The interpreter in apo.python cannot run the APO language server: ${plain(clause)}.`,
    remedy: { kind: "settings", setting: "apo.python" },
  };
}

/** No interpreter will do; `clauses` say why those that were found will not. */
export function noPython(clauses: readonly string[]): Trouble {
  const reason = plain(clauses[0] ?? "none was found");
  return { sentence: `APO needs Python 3.11 or newer: ${reason}.`, remedy: INSTALL_PYTHON };
}

/** Only the workspace's own interpreter is left, and the user has not said yet whether it may run. */
export function workspacePython(file: string, identity: string): Trouble {
  const shown = file.length > LONGEST_SHOWN ? `…${file.slice(-LONGEST_SHOWN)}` : file;
  return {
    sentence: `Run the language server with this workspace's Python (${plain(shown)})? It gets your API key.`,
    remedy: { kind: "agree", file, identity },
  };
}

/** The extension was packaged without the server, and the machine has none either. */
export function noServer(): Trouble {
  return {
    sentence:
      "The APO language server was not found: run `pip install apo-language-server`, or set apo.python to an interpreter that has it.",
    remedy: { kind: "settings", setting: "apo.python" },
  };
}

/** The embedded model was asked for where the user's own installation of the server runs. */
export function ownServer(command: string): Trouble {
  return {
    sentence: `The server is the one installed for ${plain(command)}: install the model there, with pip install "apo-language-server[local]".`,
    remedy: { kind: "settings", setting: "apo.python" },
  };
}

/** What `unpack.py` names as the problem. */
export function unpackingFails(problem: string, folder: string): Trouble {
  switch (problem) {
    case "disk-full":
      return { sentence: `The disk is full: APO cannot put its files into ${folder}.`, remedy: AGAIN };
    case "not-writable":
      return { sentence: `APO cannot put its files into ${folder}, which cannot be written to.`, remedy: AGAIN };
    case "damaged":
      return { sentence: "A file of the APO extension is damaged: install the extension again.", remedy: LOGS };
    default:
      return { sentence: "The APO language server could not be unpacked.", remedy: LOGS };
  }
}

/** What pip was to install, and how to try that again. */
export interface Installed {
  readonly name: string;
  readonly python: string;
  readonly remedy: Remedy;
}

/** What the setup of an environment installs. */
export function installedBy({ kind, interpreter }: Pick<Setup, "kind" | "interpreter">): Installed {
  const python = interpreter.version;
  return kind === "model"
    ? { name: "The embedded model", python, remedy: { kind: "install model" } }
    : { name: "The APO language server", python, remedy: AGAIN };
}

/** What the output of `venv` or `pip` tells about why an installation for `python` failed. */
export function installingFails(output: string, what: Installed, folder: string): Trouble {
  const again = what.remedy;
  const sentence = `${what.name} could not be installed for Python ${what.python}`;
  if (/No space left|Errno 28|not enough space/i.test(output)) {
    return { ...unpackingFails("disk-full", folder), remedy: again };
  }
  if (/Permission denied|Errno 13|Read-only file system/i.test(output)) {
    return { ...unpackingFails("not-writable", folder), remedy: again };
  }
  if (/ensurepip|No module named '?(venv|pip)/i.test(output)) {
    return { sentence: `${sentence}: this Python has no pip or venv.`, remedy: INSTALL_PYTHON };
  }
  if (/ProxyError|Cannot connect to proxy|\b407\b|Proxy Authentication/i.test(output)) {
    return { sentence: `${sentence}: the proxy refused pip.`, remedy: { kind: "settings", setting: "http.proxy" } };
  }
  if (/CERTIFICATE_VERIFY_FAILED|SSLError/i.test(output)) {
    return { sentence: `${sentence}: pip does not trust the certificate of the package index.`, remedy: LOGS };
  }
  if (/name resolution|getaddrinfo|NewConnectionError|ConnectTimeout|timed out|Network is unreachable|from versions: none/i.test(output)) {
    return { sentence: `${sentence}: pip cannot reach the package index.`, remedy: again };
  }
  return { sentence: `${sentence}.`, remedy: LOGS };
}

/** The user stopped the installation. */
export function installingCancelled({ name, remedy }: Installed): Trouble {
  return { sentence: `${name} was not installed, because you cancelled it.`, remedy };
}
