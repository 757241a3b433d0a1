import { commands, type Disposable, env, window } from "vscode";

import { isPrompt } from "./documents";

/** Command ids of this extension. The server's own ids are registered from its capabilities, not here. */
export const COMMANDS = {
  evaluate: "apo.client.evaluate",
  gradients: "apo.client.gradients",
  optimize: "apo.client.optimize",
  showCandidates: "apo.client.showCandidates",
  openReport: "apo.client.openReport",
  compareCandidate: "apo.client.compareCandidate",
  applyCandidate: "apo.client.applyCandidate",
  cancel: "apo.client.cancel",
  revokeConsent: "apo.client.revokeConsent",
  reportProblem: "apo.client.reportProblem",
  restart: "apo.client.restart",
  showLogs: "apo.client.showLogs",
} as const;

/** Palette entries that hand the active prompt to a command of the server, by client id. */
const ON_ACTIVE_PROMPT = [
  [COMMANDS.evaluate, "apo.evaluate"],
  [COMMANDS.gradients, "apo.gradients"],
  [COMMANDS.optimize, "apo.optimize"],
  [COMMANDS.showCandidates, "apo.showCandidates"],
  [COMMANDS.cancel, "apo.cancel"],
  [COMMANDS.revokeConsent, "apo.revokeConsent"],
] as const;

export interface CommandHandlers {
  restart: () => Promise<void>;
  showLogs: () => void;
  openReport: () => Promise<void>;
  reportProblem: () => Promise<void>;
}

export function registerCommands(handlers: CommandHandlers): Disposable[] {
  return [
    commands.registerCommand(COMMANDS.restart, handlers.restart),
    commands.registerCommand(COMMANDS.showLogs, handlers.showLogs),
    commands.registerCommand(COMMANDS.openReport, handlers.openReport),
    commands.registerCommand(COMMANDS.reportProblem, handlers.reportProblem),
    ...ON_ACTIVE_PROMPT.map(([client, server]) =>
      commands.registerCommand(client, async () => runOnActivePrompt(server)),
    ),
  ];
}

async function runOnActivePrompt(serverCommand: string): Promise<void> {
  const document = window.activeTextEditor?.document;
  if (document === undefined || !isPrompt(document)) {
    await window.showInformationMessage("Open a .prompt file first.");
    return;
  }
  if (!(await commands.getCommands(true)).includes(serverCommand)) {
    await offerLogs("The APO language server is not running.");
    return;
  }
  await commands.executeCommand(serverCommand, document.uri.toString());
}

/** One sentence with one button: the way to the log. */
export async function offerLogs(sentence: string): Promise<void> {
  await offer(sentence, "Open logs", COMMANDS.showLogs);
}

/** One sentence with one button: the way to a setting of this machine, which a remote window keeps apart. */
export async function offerSetting(sentence: string, setting: string): Promise<void> {
  const settings = env.remoteName === undefined ? "openSettings" : "openRemoteSettings";
  await offer(sentence, "Open settings", `workbench.action.${settings}`, { query: setting });
}

async function offer(sentence: string, button: string, command: string, ...args: unknown[]): Promise<void> {
  if ((await window.showErrorMessage(sentence, button)) === button) {
    await commands.executeCommand(command, ...args);
  }
}
