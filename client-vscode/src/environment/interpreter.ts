/** What a Python interpreter is, by its own account. */

/** The oldest version that the server runs on. */
const OLDEST = [3, 11] as const;

/** An interpreter that has answered {@link QUESTION}. */
export interface Interpreter {
  /** The program itself, even where a launcher or a shim was asked. */
  readonly command: string;
  /** Such as `3.12`. */
  readonly version: string;
  readonly implementation: string;
  /** Tells apart builds whose compiled modules do not fit each other, such as `cpython-312`. */
  readonly tag: string;
  /** The platform of its compiled modules, as Visual Studio Code names it; another word where there is no such name. */
  readonly target: string;
  /** Whether it can unpack what is compressed with LZMA: builds without that module exist. */
  readonly lzma: boolean;
  /** Whether the language server is installed in it. */
  readonly hasServer: boolean;
}

/** What an interpreter says, or why it does not, as a clause that names it. */
export type Answer =
  { readonly ok: true; readonly interpreter: Interpreter } | { readonly ok: false; readonly clause: string };

/** Prints one JSON object; written so that even Python 2.7 answers. */
export const QUESTION = `
import json, platform, sys, sysconfig
try:
    from importlib.util import find_spec
except ImportError:
    find_spec = lambda name: None
print(json.dumps({
    "command": sys.executable,
    "version": list(sys.version_info[:2]),
    "implementation": platform.python_implementation(),
    "tag": getattr(getattr(sys, "implementation", None), "cache_tag", None),
    "free": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "platform": sysconfig.get_platform(),
    "machine": platform.machine(),
    "host": sysconfig.get_config_var("HOST_GNU_TYPE"),
    "lzma": find_spec("_lzma") is not None,
    "server": find_spec("apo_server") is not None,
}))
`;

/** The interpreter that printed `output`; undefined where that is no answer to {@link QUESTION}. */
export function understood(output: string): Interpreter | undefined {
  const said = parsed(output);
  const { command, version, implementation } = said;
  const tag = said["tag"] ?? "python";
  if (typeof command !== "string" || command === "" || !Array.isArray(version) || !isPlainTag(tag)) {
    return undefined;
  }
  return {
    command,
    version: version.map(String).join("."),
    implementation: String(implementation),
    tag: `${tag}${said["free"] === true ? "t" : ""}`,
    target: target(String(said["platform"]), String(said["machine"]), String(said["host"])),
    lzma: said["lzma"] === true,
    hasServer: said["server"] === true,
  };
}

/** Why the server cannot run on `interpreter` at all, as a clause; undefined where it can. */
export function unfit({ command, version, implementation }: Interpreter): string | undefined {
  if (implementation !== "CPython") {
    return `${command} is ${implementation}, and CPython is needed`;
  }
  return isTooOld(version) ? `${command} is Python ${version}, which is older than ${OLDEST.join(".")}` : undefined;
}

/** Whether a version such as `3.9` is older than what the server needs. */
export function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
}

/** Whether a tag can be a part of a folder's name: it comes from whatever program was asked. */
function isPlainTag(tag: unknown): tag is string {
  return typeof tag === "string" && /^[a-z0-9][a-z0-9_.-]{0,63}$/.test(tag) && !tag.includes("..");
}

function parsed(output: string): Record<string, unknown> {
  try {
    // A start-up file of the user's may print before the answer.
    const value: unknown = JSON.parse(output.trim().split("\n").at(-1) ?? "");
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** Compiled modules for musl and glibc, or for both kinds of processor of a Mac, do not fit each other. */
function target(platform: string, machine: string, host: string): string {
  switch (platform) {
    case "linux-x86_64":
      return host.includes("musl") ? "alpine-x64" : "linux-x64";
    case "linux-aarch64":
      return host.includes("musl") ? "alpine-arm64" : "linux-arm64";
    case "win-amd64":
      return "win32-x64";
    default:
      return platform.startsWith("macosx-") ? `darwin-${machine === "arm64" ? "arm64" : "x64"}` : platform;
  }
}
