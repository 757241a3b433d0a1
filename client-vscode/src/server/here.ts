import { homedir } from "node:os";

import { type LogOutputChannel, workspace } from "vscode";

import type { ChosenInterpreters } from "../common/python";
import { SECTION } from "../common/settings";
import type { Surroundings } from "../common/surroundings";
import type { Bundle } from "../environment/bundle";
import type { Agreements } from "./agreements";
import { ask, followed, isExecutable } from "./machine";
import type { Place } from "./place";
import type { Resolution } from "./launch";
import { resolve } from "./resolution";

/** {@link resolve}, for this window and this machine as they are now. */
export async function resolveHere(
  surroundings: Surroundings,
  bundle: Bundle | undefined,
  chosen: ChosenInterpreters,
  agreements: Agreements,
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
      ...settingsOfPython(),
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
      agreement: async (file) => {
        const agreement = await agreements.about(file);
        log.debug(`${file} is the workspace's: ${agreement.state}`);
        return agreement;
      },
    },
    bundle,
  );
}

/** `apo.python`, apart by who set it. A workspace can put any value into its settings, also one that is not text. */
export function settingsOfPython(): Pick<Place, "userSetting" | "workspaceSetting"> {
  const python = workspace.getConfiguration(SECTION).inspect<unknown>("python");
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  return {
    userSetting: text(python?.globalValue),
    workspaceSetting: text(python?.workspaceFolderValue ?? python?.workspaceValue),
  };
}
