import { type ExtensionContext, workspace } from "vscode";

import { offerModel, registerCommands } from "./common/commands";
import { createLogger } from "./common/logger";
import { onInterpreterChange } from "./common/python";
import { createStatus } from "./common/status";
import { Environments } from "./environment/environments";
import { ApiKey } from "./secrets/apiKey";
import { namesEndpoint } from "./secrets/endpoint";
import { Server } from "./server/server";
import { openSample } from "./walkthrough/sample";

/** Settings that a running server does not take up: which program it is, and what only the user may grant it. */
const ONLY_AT_START = ["apo.python", "apo.baseUrl", "apo.consent", "apo.workspaceBudget"];

let server: Server | undefined;

/** Puts the parts together and starts the server, without waiting for it. */
export function activate(context: ExtensionContext): void {
  const log = createLogger();
  const status = createStatus();
  const key = new ApiKey(context);
  const environments = new Environments(context, log);
  const current = new Server(context, { log, show: status.show, environments, key });
  server = current;

  context.subscriptions.push(
    log,
    status,
    environments,
    ...registerCommands({
      restart: async () => current.restart(),
      showLogs: () => {
        log.show();
      },
      setApiKey: async () => key.ask(),
      installModel: async () => current.installModel(),
      openSample: async () => {
        const remote = namesEndpoint(await key.given(process.env));
        if ((await openSample(context, remote)) && !remote && (await current.lacksModel())) {
          await offerModel();
        }
      },
    }),
    key.onChange(() => void current.restart()),
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
