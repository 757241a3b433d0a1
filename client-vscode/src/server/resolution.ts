/**
 * Which program serves the editor. Decisions only: what exists on the machine is asked through {@link Machine},
 * so that every rule here can be tested without one.
 */
import path from "node:path";

/** Where a launch comes from, in the order in which the sources are tried. */
export type Source = "setting" | "python extension" | "workspace" | "PATH";

/** A program to start, with its arguments. */
export interface Launch {
  readonly source: Source;
  readonly command: string;
  readonly args: readonly string[];
}

/** What is known about the window before anything on the machine is touched. */
export interface Place {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  /** The value of `PATH`. */
  readonly searchPath: string;
  readonly trusted: boolean;
  /** File-system paths of the workspace folders. */
  readonly folders: readonly string[];
  /** The setting `apo.python`; empty when unset. */
  readonly setting: string;
}

/** The questions that only the machine can answer. */
export interface Machine {
  /** Interpreters chosen in the Python extension; none where it is not installed. */
  selectedInterpreters: () => Promise<readonly string[]>;
  /** Why `interpreter` cannot run the server, or undefined when it can. */
  objection: (interpreter: string) => Promise<string | undefined>;
  isExecutable: (file: string) => Promise<boolean>;
}

/** The launch to use, or the one sentence that says why there is none. */
export type Resolution =
  { readonly found: true; readonly launch: Launch } | { readonly found: false; readonly sentence: string };

/**
 * Finds the server: the setting, the Python extension's interpreter, a `.venv` of the workspace, then `PATH`.
 *
 * A setting binds: when it does not work, nothing else is tried. In an untrusted workspace no file inside
 * a workspace folder is ever started, whoever named it.
 */
export async function resolve(place: Place, machine: Machine): Promise<Resolution> {
  const permitted = (file: string): boolean => place.trusted || !isInside(place, file);

  const named = place.setting.trim() === "" ? undefined : expand(place, place.setting.trim());
  if (named !== undefined && permitted(named)) {
    const objection = await machine.objection(named);
    return objection === undefined
      ? { found: true, launch: moduleLaunch("setting", named) }
      : { found: false, sentence: `The interpreter in apo.python cannot run the APO language server: ${objection}.` };
  }

  const sources: readonly [Source, () => Promise<readonly string[]>][] = [
    ["python extension", machine.selectedInterpreters],
    ["workspace", () => Promise.resolve(workspaceInterpreters(place))],
  ];
  for (const [source, interpreters] of sources) {
    for (const interpreter of (await interpreters()).filter(permitted)) {
      if ((await machine.objection(interpreter)) === undefined) {
        return { found: true, launch: moduleLaunch(source, interpreter) };
      }
    }
  }
  for (const command of searchPathPrograms(place).filter(permitted)) {
    if (await machine.isExecutable(command)) {
      return { found: true, launch: { source: "PATH", command, args: [] } };
    }
  }
  return {
    found: false,
    sentence:
      "The APO language server was not found: run `pip install apo-language-server`, or set apo.python to an interpreter that has it.",
  };
}

/** Whether two launches start the same program in the same way. */
export function sameLaunch(left: Launch | undefined, right: Launch | undefined): boolean {
  return left?.command === right?.command && left?.args.join("\0") === right?.args.join("\0");
}

function moduleLaunch(source: Source, interpreter: string): Launch {
  return { source, command: interpreter, args: ["-m", "apo_server"] };
}

function workspaceInterpreters(place: Place): readonly string[] {
  const inside = place.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"];
  return place.folders.map((folder) => paths(place).join(folder, ".venv", ...inside));
}

/** Relative entries of `PATH` are left out: they would mean another program in every folder. */
function searchPathPrograms(place: Place): readonly string[] {
  const local = paths(place);
  const program = place.platform === "win32" ? "apo-language-server.exe" : "apo-language-server";
  return place.searchPath
    .split(local.delimiter)
    .filter((folder) => local.isAbsolute(folder))
    .map((folder) => local.join(folder, program));
}

function expand(place: Place, value: string): string {
  const [folder] = place.folders;
  const absolute = folder === undefined ? value : value.replaceAll("${workspaceFolder}", folder);
  return /^~(?=[/\\]|$)/.test(absolute) ? place.home + absolute.slice(1) : absolute;
}

function isInside(place: Place, file: string): boolean {
  const local = paths(place);
  return place.folders.some((folder) => {
    const way = local.relative(folder, file);
    return local.isAbsolute(file) && !local.isAbsolute(way) && way !== ".." && !way.startsWith(`..${local.sep}`);
  });
}

function paths(place: Place): path.PlatformPath {
  return place.platform === "win32" ? path.win32 : path.posix;
}
