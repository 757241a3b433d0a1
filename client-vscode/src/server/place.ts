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
  /** `apo.python` in the user's own settings; empty when unset. */
  readonly userSetting: string;
  /** `apo.python` in the settings of the workspace; empty when unset. */
  readonly workspaceSetting: string;
}

/** What a setting names. */
export interface NamedPython {
  /** A full path, or a name that is looked for on `PATH`. */
  readonly command: string;
  /** Whether the user's own settings name exactly this file, wherever it lies. */
  readonly agreed: boolean;
  /** Whether only the settings of the workspace name it. */
  readonly byWorkspace: boolean;
}

/** A program that may be a Python interpreter, or start one. */
export interface Candidate {
  readonly source: "setting" | "python extension" | "workspace" | "PATH";
  readonly command: string;
  readonly args: readonly string[];
}

/** The newest version of Python whose own name is looked for, where `python3` and `python` are others. */
const NEWEST = 14;
/** Stands for the first workspace folder in `apo.python`. */
const FOLDER = "${workspaceFolder}";

/**
 * What the settings name, that of the workspace first. With `${workspaceFolder}` the user names a file in every
 * workspace, which is not an agreement to one.
 */
export function namedPythons(place: Place): readonly NamedPython[] {
  const user = expanded(place, place.userSetting);
  const isExact = !place.userSetting.includes(FOLDER);
  const workspace = place.trusted ? expanded(place, place.workspaceSetting) : "";
  return [...new Set([workspace, user])]
    .filter((command) => command !== "")
    .map((command) => ({ command, agreed: command === user && isExact, byWorkspace: command !== user }));
}

/** Whether `file` lies in a workspace folder: by its path, or by where its links lead. */
export async function isInWorkspace(
  place: Pick<Place, "platform" | "folders">,
  file: string,
  followed: (file: string) => Promise<string>,
): Promise<boolean> {
  const folders = [...place.folders, ...(await Promise.all(place.folders.map(followed)))];
  return [file, await followed(file)].some((one) => folders.some((folder) => isInside(place, folder, one)));
}

/** Whether `file` is a full path; anything else depends on the search path or on the working folder. */
export function isFullPath(place: Place, file: string): boolean {
  return paths(place).isAbsolute(file);
}

/** Whether two paths are the same, links aside. */
export function isSame(place: Place, left: string, right: string): boolean {
  return paths(place).relative(left, right) === "";
}

/** Where a program with the bare name `name` may be; none for a path. */
export function programsNamed(place: Place, name: string): readonly string[] {
  if (name.includes("/") || name.includes(paths(place).sep)) {
    return [];
  }
  const program = place.platform === "win32" && !/\.exe$/i.test(name) ? `${name}.exe` : name;
  return foldersOnPath(place).map((folder) => paths(place).join(folder, program));
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
  return programsNamed(place, "apo-language-server");
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

function expanded(place: Place, setting: string): string {
  const [folder] = place.folders;
  const value = setting.trim();
  const full = folder === undefined ? value : value.replaceAll(FOLDER, folder);
  return /^~(?=[/\\]|$)/.test(full) ? place.home + full.slice(1) : full;
}

function isInside(place: Pick<Place, "platform">, folder: string, file: string): boolean {
  const local = paths(place);
  const way = local.relative(folder, file);
  return !local.isAbsolute(way) && way !== ".." && !way.startsWith(`..${local.sep}`);
}

function paths(place: Pick<Place, "platform">): path.PlatformPath {
  return place.platform === "win32" ? path.win32 : path.posix;
}
