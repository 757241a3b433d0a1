import { type ExtensionContext, workspace } from "vscode";

import { createCandidates } from "./candidates/view";
import { offerModel, registerCommands, tellProblem } from "./common/commands";
import { createLogger } from "./common/logger";
import { ChosenInterpreters } from "./common/python";
import { createStatus } from "./common/status";
import type { ProblemMessage } from "./common/wayOut";
import { Environments } from "./environment/environments";
import { openProblemReport } from "./problem/report";
import { ReportPanel } from "./report/panel";
import { createRowDecorations } from "./rows/decorations";
import { Bar } from "./runs/bar";
import { Runs } from "./runs/runs";
import type { RunStatus } from "./runs/status";
import { createVerdicts } from "./runs/verdict";
import { ApiKey } from "./secrets/apiKey";
import { namesEndpoint } from "./secrets/endpoint";
import { Agreements } from "./server/agreements";
import { Server } from "./server/server";
import { States } from "./server/states";
import { openSample } from "./walkthrough/sample";

/** Settings that a running server does not take up: which program it is, and what only the user may grant it. */
const ONLY_AT_START = [
  "apo.python",
  "apo.baseUrl",
  "apo.cacheDir",
  "apo.consent",
  "apo.budget",
  "apo.workspaceBudget",
  "http.proxy",
  "http.noProxy",
];

let server: Server | undefined;

/** Puts the parts together and starts the server, without waiting for it. */
export function activate(context: ExtensionContext): void {
  const log = createLogger();
  const status = createStatus();
  const runs = new Runs();
  const bar = new Bar(runs);
  const report = new ReportPanel(runs, context.extensionUri);
  const key = new ApiKey(context);
  const environments = new Environments(context, log);
  const agreements = new Agreements(context.globalState);
  const chosen = new ChosenInterpreters();
  const states = new States(
    (now) => {
      status.show(now);
    },
    (now) => {
      bar.show(now);
    },
    (now) => {
      if (now.kind !== "running") {
        runs.forget();
      }
    },
  );
  const onStatus = (told: RunStatus): void => {
    runs.take(told);
  };
  const onProblem = (problem: ProblemMessage): void => void tellProblem(problem);
  const current = new Server(context, { log, show: states.turn, onStatus, onProblem, environments, agreements, chosen, key });
  server = current;

  context.subscriptions.push(
    log,
    status,
    runs,
    report,
    bar,
    createVerdicts(runs),
    createCandidates(runs),
    createRowDecorations(runs, context.extensionUri),
    environments,
    chosen,
    ...registerCommands({
      settled: states.settled,
      restart: async () => current.restart(),
      showLogs: () => {
        log.show();
      },
      openReport: async () => report.open(),
      reportProblem: async () => openProblemReport(context.extension, states.now),
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
    chosen.onChange(() => void current.reconsider()),
    workspace.onDidGrantWorkspaceTrust(() => void current.restart()),
    workspace.onDidChangeConfiguration((change) => {
      if (ONLY_AT_START.some((setting) => change.affectsConfiguration(setting))) {
        void current.restart();
      }
    }),
  );
  void current.restart();
}

/** Lets the server shut down in order before the window goes. */
export async function deactivate(): Promise<void> {
  await server?.stop();
}
