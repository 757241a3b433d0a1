import { commands, type Disposable, env, ProgressLocation, Uri, window } from "vscode";

import type { Trouble } from "../environment/trouble";
import type { Agreements } from "../server/agreements";
import { COMMANDS } from "./commandIds";
import { isPrompt } from "./documents";
import { showLine } from "./place";
import { type ProblemMessage, told, wayOutOfTest } from "./wayOut";

/** Palette entries that hand the active prompt to a command of the server, by client id. */
const ON_ACTIVE_PROMPT = [
  [COMMANDS.evaluate, "apo.evaluate"],
  [COMMANDS.gradients, "apo.gradients"],
  [COMMANDS.optimize, "apo.optimize"],
  [COMMANDS.showCandidates, "apo.showCandidates"],
  [COMMANDS.cancel, "apo.cancel"],
  [COMMANDS.revokeConsent, "apo.revokeConsent"],
] as const;

const USE_IT = "Use it";
const USE_ANOTHER = "Use another";

export interface CommandHandlers {
  /** Resolves once the server is there, or is known not to come. */
  settled: () => Promise<void>;
  restart: () => Promise<void>;
  showLogs: () => void;
  openReport: () => Promise<void>;
  reportProblem: () => Promise<void>;
  setApiKey: () => Promise<void>;
  openSample: () => Promise<void>;
  installModel: () => Promise<void>;
}

export function registerCommands(handlers: CommandHandlers): Disposable[] {
  return [
    commands.registerCommand(COMMANDS.restart, handlers.restart),
    commands.registerCommand(COMMANDS.showLogs, handlers.showLogs),
    commands.registerCommand(COMMANDS.openReport, handlers.openReport),
    commands.registerCommand(COMMANDS.reportProblem, handlers.reportProblem),
    commands.registerCommand(COMMANDS.setApiKey, handlers.setApiKey),
    commands.registerCommand(COMMANDS.testConnection, async () => testConnection(handlers)),
    commands.registerCommand(COMMANDS.openSample, handlers.openSample),
    commands.registerCommand(COMMANDS.installModel, handlers.installModel),
    ...ON_ACTIVE_PROMPT.map(([client, server]) =>
      commands.registerCommand(client, async () => runOnActivePrompt(handlers, server)),
    ),
  ];
}

async function runOnActivePrompt(handlers: CommandHandlers, serverCommand: string): Promise<void> {
  const document = window.activeTextEditor?.document;
  if (document === undefined || !isPrompt(document)) {
    await window.showInformationMessage("Open a .prompt file first.");
    return;
  }
  if (document.uri.scheme !== "file") {
    await offer("This prompt is no file on this machine yet: save it as one first.", "Save as…", "workbench.action.files.saveAs");
    return;
  }
  if (await isServed(handlers, serverCommand)) {
    await commands.executeCommand(serverCommand, document.uri.toString());
  }
}

/** Asks the server which models answer; the server finds the words. */
async function testConnection(handlers: CommandHandlers): Promise<void> {
  const serverCommand = "apo.testConnection";
  if (!(await isServed(handlers, serverCommand))) {
    return;
  }
  const progress = { location: ProgressLocation.Notification, title: "Asking the endpoints for their models…" };
  const { sentence, code } = await window.withProgress(progress, async () =>
    commands.executeCommand<{ sentence: string; code: string }>(serverCommand),
  );
  if (code === "") {
    void window.showInformationMessage(sentence);
    return;
  }
  const way = wayOutOfTest(code);
  await offer(sentence, way.button, way.command, ...way.args);
}

/** Whether a running server has the command; says so when there is none. */
async function isServed({ settled }: CommandHandlers, serverCommand: string): Promise<boolean> {
  await settled();
  const served = (await commands.getCommands(true)).includes(serverCommand);
  if (!served) {
    void offerLogs("The APO language server is not running.");
  }
  return served;
}

/** What the server tells of a problem, with the way out where there is one. */
export async function tellProblem(problem: ProblemMessage): Promise<void> {
  const show = { error: window.showErrorMessage, warning: window.showWarningMessage, information: window.showInformationMessage };
  const { sentence, way } = told(problem);
  const buttons = way === undefined ? [] : [way.button];
  const chosen = await show[problem.severity](sentence, ...buttons);
  if (way === undefined || chosen !== way.button) {
    return;
  }
  await ("file" in way ? showLine(Uri.parse(way.file), way.line) : commands.executeCommand(way.command, ...way.args));
}

/** One sentence with one button: the way to the log. */
export async function offerLogs(sentence: string): Promise<void> {
  await offer(sentence, "Open logs", COMMANDS.showLogs);
}

/** One sentence with one button: what a prompt needs that no key was set for. */
export async function offerModel(): Promise<void> {
  const sentence =
    "The sample's model runs on this machine once it is installed: about 300 MB, under the Gemma Terms of Use.";
  if ((await window.showInformationMessage(sentence, "Install model")) === "Install model") {
    await commands.executeCommand(COMMANDS.installModel);
  }
}

/** One sentence with one button: the way out of what keeps the server from starting. A question has two. */
export async function offerRemedy({ sentence, remedy }: Trouble, agreements: Pick<Agreements, "record">): Promise<void> {
  switch (remedy.kind) {
    case "agree": {
      const chosen = await window.showWarningMessage(sentence, USE_IT, USE_ANOTHER);
      if (chosen !== undefined) {
        await agreements.record(remedy.file, remedy.identity, chosen === USE_IT);
        await commands.executeCommand(COMMANDS.restart);
      }
      break;
    }
    case "install Python":
      await offer(sentence, "Install Python", "vscode.open", Uri.parse("https://www.python.org/downloads/"));
      break;
    case "settings": {
      // A remote window keeps the settings of its machine apart.
      const settings = env.remoteName === undefined ? "openSettings" : "openRemoteSettings";
      await offer(sentence, "Open settings", `workbench.action.${settings}`, { query: remedy.setting });
      break;
    }
    case "try again":
      await offer(sentence, "Try again", COMMANDS.restart);
      break;
    case "install model":
      await offer(sentence, "Try again", COMMANDS.installModel);
      break;
    case "logs":
      await offerLogs(sentence);
      break;
  }
}

async function offer(sentence: string, button: string, command: string, ...args: unknown[]): Promise<void> {
  if ((await window.showErrorMessage(sentence, button)) === button) {
    await commands.executeCommand(command, ...args);
  }
}
