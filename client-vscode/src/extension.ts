import { type ExtensionContext, workspace } from "vscode";

import { registerCommands } from "./common/commands";
import { createLogger } from "./common/logger";
import { onInterpreterChange } from "./common/python";
import { createStatus } from "./common/status";
import { Server } from "./server/server";

/** Settings that a running server does not take up: which program it is, and what only the user may grant it. */
const ONLY_AT_START = ["apo.python", "apo.consent", "apo.workspaceBudget"];

let server: Server | undefined;

/** Puts the parts together and starts the server, without waiting for it. */
export function activate(context: ExtensionContext): void {
  const log = createLogger();
  const status = createStatus();
  const current = new Server(context, log, status.show);
  server = current;

  context.subscriptions.push(
    log,
    status,
    ...registerCommands({
      restart: async () => current.restart(),
      showLogs: () => {
        log.show();
      },
    }),
    workspace.onDidGrantWorkspaceTrust(() => void current.restart()),
    workspace.onDidChangeConfiguration((change) => {
      if (ONLY_AT_START.some((setting) => change.affectsConfiguration(setting))) {
        void current.restart();
      }
    }),
  );
  void current.restart().then(async () => {
    const listener = await onInterpreterChange(() => void current.reconsider());
    if (listener !== undefined) {
      context.subscriptions.push(listener);
    }
  });
}

/** Lets the server shut down in order before the window goes. */
export async function deactivate(): Promise<void> {
  await server?.stop();
}
