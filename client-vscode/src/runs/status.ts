import { describe, type ServerState } from "../server/state";

/** What runs for a prompt, as the notification `apo/status` of the server tells it. */
export interface RunStatus {
  readonly uri: string;
  readonly state: "idle" | "waiting" | "running" | "paused";
  readonly words: string;
  readonly percentage: number;
  /** What the run has spent; null where a price is unknown. */
  readonly usd: number | null;
  /** The run that `apo.report` would tell; null where there is none. */
  readonly run: string | null;
}

/** How the status of a prompt is shown in the status bar, and what a click on it does. */
export interface BarText {
  readonly text: string;
  readonly tooltip: string;
  readonly look: "plain" | "warning" | "error";
  readonly command: "report" | "logs" | "trust";
}

/** The words for the status bar. `status` is undefined as long as the server has told nothing of the prompt. */
export function barText(server: ServerState, status: RunStatus | undefined): BarText {
  switch (server.kind) {
    case "missing":
    case "down":
      return { text: "$(error) APO", tooltip: `${server.sentence} Choose to open the logs.`, look: "error", command: "logs" };
    case "crashed":
      return { text: "$(warning) APO", tooltip: describe(server).detail, look: "warning", command: "logs" };
    case "starting":
      return { text: "$(sync~spin) APO", tooltip: "APO: starting", look: "plain", command: "logs" };
    case "running":
      return server.trusted ? runText(status) : RESTRICTED;
  }
}

const RESTRICTED: BarText = {
  text: "$(shield) APO: restricted",
  tooltip: "APO: prompts are checked, and no model is called, until you trust this workspace. Choose to decide.",
  look: "plain",
  command: "trust",
};

function runText(status: RunStatus | undefined): BarText {
  const plain = { look: "plain", command: "report" } as const;
  switch (status?.state) {
    case undefined:
    case "idle":
      return { ...plain, text: "$(beaker) APO", tooltip: "APO: nothing runs. Choose to see what is known." };
    case "waiting":
      return { ...plain, text: "$(clock) APO: waiting", tooltip: "APO: waiting for other prompts to finish" };
    case "running": {
      const spent = status.usd === null ? "" : ` · ${dollars(status.usd)}`;
      return {
        ...plain,
        text: `$(sync~spin) APO ${status.percentage} %${spent}`,
        tooltip: `APO: ${status.words === "" ? "beginning" : status.words}`,
      };
    }
    case "paused":
      return {
        ...plain,
        text: "$(debug-pause) APO: paused by budget",
        tooltip: "APO: the budget of this workspace for today is spent",
        look: "warning",
      };
  }
}

/** Money to the first digit that tells anything. */
export function dollars(usd: number): string {
  if (usd >= 0.1 || usd === 0) {
    return `$${usd === 0 ? "0" : usd.toFixed(2)}`;
  }
  return usd >= 0.0005 ? `$${usd.toFixed(3)}` : "below $0.001";
}
