/** What keeps the server from starting: one sentence, and the one thing to do about it. */

export type Remedy =
  | { readonly kind: "install Python" }
  | { readonly kind: "settings"; readonly setting: string }
  | { readonly kind: "logs" }
  | { readonly kind: "try again" };

export interface Trouble {
  readonly sentence: string;
  readonly remedy: Remedy;
}

const AGAIN: Remedy = { kind: "try again" };
const LOGS: Remedy = { kind: "logs" };
const INSTALL_PYTHON: Remedy = { kind: "install Python" };

/** What apo.python names cannot be used; nothing else is tried, because the user has chosen. */
export function settingFails(clause: string): Trouble {
  return {
    sentence: `The interpreter in apo.python cannot run the APO language server: ${clause}.`,
    remedy: { kind: "settings", setting: "apo.python" },
  };
}

/** No interpreter will do; `clauses` say why those that were found will not. */
export function noPython(clauses: readonly string[]): Trouble {
  return { sentence: `APO needs Python 3.10 or newer: ${clauses[0] ?? "none was found"}.`, remedy: INSTALL_PYTHON };
}

/** The extension was packaged without the server, and the machine has none either. */
export function noServer(): Trouble {
  return {
    sentence:
      "The APO language server was not found: run `pip install apo-language-server`, or set apo.python to an interpreter that has it.",
    remedy: { kind: "settings", setting: "apo.python" },
  };
}

/** What `unpack.py` names as the problem. */
export function unpackingFails(problem: string, folder: string): Trouble {
  switch (problem) {
    case "disk-full":
      return { sentence: `The disk is full: the APO language server needs about 60 MB in ${folder}.`, remedy: AGAIN };
    case "not-writable":
      return { sentence: `The APO language server cannot be unpacked: ${folder} cannot be written to.`, remedy: AGAIN };
    case "damaged":
      return { sentence: "A file of the APO extension is damaged: install the extension again.", remedy: LOGS };
    default:
      return { sentence: "The APO language server could not be unpacked.", remedy: LOGS };
  }
}

/** What the output of `venv` or `pip` tells about why an installation for `python` failed. */
export function installingFails(output: string, python: string, folder: string): Trouble {
  const what = `The APO language server could not be installed for Python ${python}`;
  if (/No space left|Errno 28|not enough space/i.test(output)) {
    return unpackingFails("disk-full", folder);
  }
  if (/Permission denied|Errno 13|Read-only file system/i.test(output)) {
    return unpackingFails("not-writable", folder);
  }
  if (/ensurepip|No module named '?(venv|pip)/i.test(output)) {
    return { sentence: `${what}: this Python has no pip or venv.`, remedy: INSTALL_PYTHON };
  }
  if (/ProxyError|Cannot connect to proxy|\b407\b|Proxy Authentication/i.test(output)) {
    return { sentence: `${what}: the proxy refused pip.`, remedy: { kind: "settings", setting: "http.proxy" } };
  }
  if (/CERTIFICATE_VERIFY_FAILED|SSLError/i.test(output)) {
    return { sentence: `${what}: pip does not trust the certificate of the package index.`, remedy: LOGS };
  }
  if (/name resolution|getaddrinfo|NewConnectionError|ConnectTimeout|timed out|Network is unreachable/i.test(output)) {
    return { sentence: `${what}: pip cannot reach the package index.`, remedy: AGAIN };
  }
  return { sentence: `${what}.`, remedy: LOGS };
}

/** The user stopped the installation. */
export function installingCancelled(): Trouble {
  return { sentence: "The installation of the APO language server was cancelled.", remedy: AGAIN };
}
