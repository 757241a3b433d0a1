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

/** How the status of a prompt is shown in the status bar. */
export interface BarText {
  readonly text: string;
  readonly tooltip: string;
  readonly warning: boolean;
}

/** The words for the status bar. `status` is undefined as long as the server has told nothing. */
export function barText(status: RunStatus | undefined): BarText {
  switch (status?.state) {
    case undefined:
    case "idle":
      return { text: "$(beaker) APO", tooltip: "APO: nothing runs. Choose to see what is known.", warning: false };
    case "waiting":
      return { text: "$(clock) APO: waiting", tooltip: "APO: waiting for other prompts to finish", warning: false };
    case "running": {
      const spent = status.usd === null ? "" : ` · ${dollars(status.usd)}`;
      return {
        text: `$(sync~spin) APO ${status.percentage} %${spent}`,
        tooltip: `APO: ${status.words === "" ? "beginning" : status.words}`,
        warning: false,
      };
    }
    case "paused":
      return {
        text: "$(debug-pause) APO: paused by budget",
        tooltip: "APO: the budget of this workspace for today is spent",
        warning: true,
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
