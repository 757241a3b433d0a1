import { homedir } from "node:os";

import { type LogOutputChannel, workspace } from "vscode";

import type { ChosenInterpreters } from "../common/python";
import { SECTION } from "../common/settings";
import type { Surroundings } from "../common/surroundings";
import type { Bundle } from "../environment/bundle";
import { ask, followed, isExecutable } from "./machine";
import { type Resolution, resolve } from "./resolution";

/** {@link resolve}, for this window and this machine as they are now. */
export async function resolveHere(
  surroundings: Surroundings,
  bundle: Bundle | undefined,
  chosen: ChosenInterpreters,
  log: LogOutputChannel,
): Promise<Resolution> {
  const folders = (workspace.workspaceFolders ?? [])
    .filter((folder) => folder.uri.scheme === "file")
    .map((folder) => folder.uri.fsPath);
  return resolve(
    {
      platform: process.platform,
      home: homedir(),
      searchPath: process.env["PATH"] ?? "",
      trusted: workspace.isTrusted,
      folders,
      setting: workspace.getConfiguration(SECTION).get("python", ""),
    },
    {
      selectedInterpreters: async () => chosen.of(folders, log),
      ask: async (command, args) => {
        const answer = await ask(command, args, surroundings);
        log.debug(answer.ok ? `${command} is Python ${answer.interpreter.version}` : answer.clause);
        return answer;
      },
      isExecutable,
      followed,
    },
    bundle,
  );
}
