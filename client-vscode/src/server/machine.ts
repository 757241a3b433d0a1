/** What `resolve` needs to know about this machine, and the answers for real. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, realpath } from "node:fs/promises";

import type { Surroundings } from "../common/surroundings";
import { type Answer, QUESTION, understood } from "../environment/interpreter";
import type { Agreement } from "./agreements";

/** An interpreter that is chosen in the Python extension. */
export interface Chosen {
  readonly command: string;
  /** Whether a setting of the workspace may have chosen it. */
  readonly byWorkspace: boolean;
}

/** The questions that only the machine, or the user's memory, can answer. */
export interface Machine {
  /** Interpreters chosen in the Python extension; none where it is not installed. */
  selectedInterpreters: () => Promise<readonly Chosen[]>;
  ask: (command: string, args: readonly string[]) => Promise<Answer>;
  isExecutable: (file: string) => Promise<boolean>;
  /** The path of a file with every link followed. */
  followed: (file: string) => Promise<string>;
  /** What the user has said about running this file of the workspace. */
  agreement: (file: string) => Promise<Agreement>;
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

/** The path of `file` with every link followed; as it is where there is no such file. */
export async function followed(file: string): Promise<string> {
  return realpath(file).catch(() => file);
}

function clause(command: string, error: { code?: string | number | null; killed?: boolean } | null): string {
  if (error?.code === "ENOENT") {
    return `${command} does not exist`;
  }
  return error?.killed === true ? `${command} does not answer` : `${command} does not start as a Python interpreter`;
}
