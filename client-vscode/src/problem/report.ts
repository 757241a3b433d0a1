import { env, type Extension, version, window, workspace } from "vscode";

import { describe, type ServerState } from "../server/state";
import { problemReport } from "./text";

/** Settings whose value tells nothing of the user's work; of the others it is told only that they are set. */
const HARMLESS = ["background", "keep", "trace.server"];
const OTHERS = ["model", "optimizer", "budget", "workspaceBudget", "consent", "baseUrl", "cacheDir", "python"];

/** Opens a problem report to be completed; nothing is sent. */
export async function openProblemReport(extension: Extension<unknown>, state: ServerState): Promise<void> {
  const settings = workspace.getConfiguration("apo");
  const isSet = (name: string): boolean => {
    const found = settings.inspect(name);
    return [found?.globalValue, found?.workspaceValue, found?.workspaceFolderValue].some((value) => value !== undefined);
  };
  const { version: own } = extension.packageJSON as { version: string };
  const content = problemReport(
    {
      extension: own,
      server: state.kind === "running" ? (state.version ?? "unknown version") : describe(state).text,
      editor: `${env.appName} ${version}${env.remoteName === undefined ? "" : `, remote (${env.remoteName})`}`,
      platform: `${process.platform} ${process.arch}`,
      workspace: `${workspace.workspaceFolders?.length ?? 0} folders, ${workspace.isTrusted ? "trusted" : "restricted"}`,
    },
    {
      ...Object.fromEntries(HARMLESS.map((name) => [`apo.${name}`, String(settings.get(name))])),
      ...Object.fromEntries(OTHERS.map((name) => [`apo.${name}`, isSet(name) ? "set" : "not set"])),
    },
  );
  await window.showTextDocument(await workspace.openTextDocument({ language: "markdown", content }));
}
