/** Whose program it is: the user's, which is started without a question, or the workspace's. */
import type { Interpreter } from "../environment/interpreter";
import type { Agreement } from "./agreements";
import type { Chosen, Machine } from "./machine";
import {
  type Candidate,
  isFullPath,
  isInWorkspace,
  isSame,
  type NamedPython,
  type Place,
  programsNamed,
  workspacePythons,
} from "./place";

/** The full path of a program that is named without one: no folder of the workspace on `PATH` may decide which it is. */
export async function located(place: Place, machine: Machine, command: string): Promise<string> {
  for (const file of programsNamed(place, command)) {
    if (await isOutsideProgram(place, machine, file)) {
      return file;
    }
  }
  return command;
}

/** Whether what a setting names may be started; `free` needs no answer of the user's. */
export async function permissionFor(
  place: Place,
  machine: Machine,
  { command, agreed, byWorkspace }: NamedPython,
): Promise<Agreement | { readonly state: "free" }> {
  if (!isFullPath(place, command)) {
    // It was looked for in vain. The system would look once more, also in folders of the workspace on PATH.
    return { state: place.trusted ? "missing" : "declined" };
  }
  const isOwn = byWorkspace || (await isInWorkspace(place, command, machine.followed));
  if (!isOwn || (place.trusted && agreed)) {
    return { state: "free" };
  }
  return place.trusted ? machine.agreement(command) : { state: "declined" };
}

export interface Nearby {
  readonly outside: readonly Candidate[];
  readonly ofWorkspace: readonly Candidate[];
}

/** The interpreters that lie near, each once. What has no full path is left out: the search path would decide what it is. */
export async function nearby(place: Place, machine: Machine): Promise<Nearby> {
  const chosen = (await machine.selectedInterpreters()).map(
    (one): Candidate & Chosen => ({ ...one, source: "python extension", args: [] }),
  );
  const own = workspacePythons(place).map((one) => ({ ...one, byWorkspace: true }));
  const outside: Candidate[] = [];
  const ofWorkspace = new Map<string, Candidate>();
  for (const { byWorkspace, ...candidate } of [...chosen, ...own]) {
    if (!isFullPath(place, candidate.command)) {
      continue;
    }
    if (!byWorkspace && !(await isInWorkspace(place, candidate.command, machine.followed))) {
      outside.push(candidate);
    } else if (!ofWorkspace.has(candidate.command)) {
      ofWorkspace.set(candidate.command, candidate);
    }
  }
  return { outside, ofWorkspace: place.trusted ? [...ofWorkspace.values()] : [] };
}

/** Whether `command` is a launcher for an interpreter in the workspace: nobody agreed to that one. */
export async function leadsInside(place: Place, machine: Machine, command: string, interpreter: Interpreter): Promise<boolean> {
  return !isSame(place, command, interpreter.command) && isInWorkspace(place, interpreter.command, machine.followed);
}

/** Whether `file` is a program that lies outside the workspace. */
export async function isOutsideProgram(place: Place, machine: Machine, file: string): Promise<boolean> {
  return !(await isInWorkspace(place, file, machine.followed)) && (await machine.isExecutable(file));
}
