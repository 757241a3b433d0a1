/** What is known about the window before anything on the machine is touched, and what follows from it. */
import path from "node:path";

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

/** A program that may be a Python interpreter, or start one. */
export interface Candidate {
  readonly source: "setting" | "python extension" | "workspace" | "PATH";
  readonly command: string;
  readonly args: readonly string[];
}

/** The newest version of Python whose own name is looked for, where `python3` and `python` are others. */
const NEWEST = 14;

/** What the setting names, in full; undefined where it names nothing. */
export function settled(place: Place): string | undefined {
  const value = place.setting.trim();
  if (value === "") {
    return undefined;
  }
  const [folder] = place.folders;
  const absolute = folder === undefined ? value : value.replaceAll("${workspaceFolder}", folder);
  return /^~(?=[/\\]|$)/.test(absolute) ? place.home + absolute.slice(1) : absolute;
}

/**
 * Whether `file` may be started: nothing inside a workspace folder is, unless the workspace is trusted. Nor is what has
 * no full path: it is looked for on `PATH`, where a folder of the workspace may come first.
 */
export async function permits(
  place: Place,
  file: string,
  followed: (file: string) => Promise<string>,
): Promise<boolean> {
  if (place.trusted) {
    return true;
  }
  if (!paths(place).isAbsolute(file)) {
    return false;
  }
  const folders = [...place.folders, ...(await Promise.all(place.folders.map(followed)))];
  return ![file, await followed(file)].some((one) => folders.some((folder) => isInside(place, folder, one)));
}

/** The interpreter of a `.venv` in each folder, whether it is there or not. */
export function workspacePythons(place: Place): readonly Candidate[] {
  const inside = place.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"];
  return place.folders.map((folder) => ({
    source: "workspace",
    command: paths(place).join(folder, ".venv", ...inside),
    args: [],
  }));
}

/** Where the server's own program may be. */
export function programsOnPath(place: Place): readonly string[] {
  const program = place.platform === "win32" ? "apo-language-server.exe" : "apo-language-server";
  return foldersOnPath(place).map((folder) => paths(place).join(folder, program));
}

/** Where interpreters may be, in the order in which they are asked. */
export function pythonsOnPath(place: Place): readonly Candidate[] {
  const numbered = Array.from({ length: NEWEST - 9 }, (_, behind) => `python3.${NEWEST - behind}`);
  const names: readonly (readonly [string, ...string[]])[] =
    place.platform === "win32"
      ? [["python3.exe"], ["python.exe"], ["py.exe", "-3"]]
      : ["python3", "python", ...numbered].map((name): [string] => [name]);
  const all = names.flatMap(([name, ...args]) =>
    foldersOnPath(place).map(
      (folder): Candidate => ({ source: "PATH", command: paths(place).join(folder, name), args }),
    ),
  );
  // Without Apple's developer tools these only open a dialog that offers to install them.
  const opensDialog = ({ command }: Candidate): boolean =>
    place.platform === "darwin" && command.startsWith("/usr/bin/");
  return [...all.filter((one) => !opensDialog(one)), ...all.filter(opensDialog)];
}

/** Relative entries of `PATH` are left out: they would mean another program in every folder. */
function foldersOnPath(place: Place): readonly string[] {
  const local = paths(place);
  const folders = place.searchPath.split(local.delimiter).filter((folder) => local.isAbsolute(folder));
  return [...new Set(folders)];
}

function isInside(place: Place, folder: string, file: string): boolean {
  const local = paths(place);
  const way = local.relative(folder, file);
  return !local.isAbsolute(way) && way !== ".." && !way.startsWith(`..${local.sep}`);
}

function paths(place: Place): path.PlatformPath {
  return place.platform === "win32" ? path.win32 : path.posix;
}
