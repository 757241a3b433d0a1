import type { LogOutputChannel } from "vscode";

import type { ChosenInterpreters } from "../common/python";
import type { ProblemMessage } from "../common/wayOut";
import type { Environments } from "../environment/environments";
import type { RunStatus } from "../runs/status";
import type { ApiKey } from "../secrets/apiKey";
import type { Agreements } from "./agreements";
import type { ServerState } from "./state";

/** What the server is shown with, made with, and given. */
export interface Helpers {
  readonly log: LogOutputChannel;
  readonly show: (state: ServerState) => void;
  readonly onStatus: (status: RunStatus) => void;
  readonly onProblem: (problem: ProblemMessage) => void;
  readonly environments: Environments;
  readonly agreements: Agreements;
  readonly chosen: ChosenInterpreters;
  readonly key: ApiKey;
}
