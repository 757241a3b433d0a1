import type { Launch } from "./launch";

/** What the server is doing, as far as the client can tell. */
export type ServerState =
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly launch: Launch; readonly version: string | undefined; readonly trusted: boolean }
  | { readonly kind: "missing"; readonly sentence: string }
  | { readonly kind: "crashed"; readonly retryInMs: number }
  | { readonly kind: "down"; readonly sentence: string };

/** Whether a state gives way to another one by itself. */
export function isPassing({ kind }: ServerState): boolean {
  return kind === "starting" || kind === "crashed";
}

/** How a state is shown in the editor's language status. */
export interface Description {
  readonly text: string;
  readonly detail: string;
  readonly severity: "information" | "warning" | "error";
  readonly busy: boolean;
}

/** The words for a state. */
export function describe(state: ServerState): Description {
  switch (state.kind) {
    case "starting":
      return { text: "APO", detail: "Starting", severity: "information", busy: true };
    case "running": {
      const name = ["apo-language-server", state.version].filter((part) => part !== undefined).join(" ");
      return {
        text: "APO",
        detail: state.trusted
          ? `${name}${state.launch.modules === undefined ? ", from" : " (bundled), Python from"} ${origin(state.launch)}`
          : "Restricted Mode: static checks only, no model is called",
        severity: "information",
        busy: false,
      };
    }
    case "missing":
      return { text: "APO: no server", detail: state.sentence, severity: "error", busy: false };
    case "crashed":
      return {
        text: "APO: restarting",
        detail: `The server ended unexpectedly; next start in ${state.retryInMs / 1000} s`,
        severity: "warning",
        busy: true,
      };
    case "down":
      return { text: "APO: stopped", detail: state.sentence, severity: "error", busy: false };
  }
}

function origin(launch: Launch): string {
  switch (launch.source) {
    case "setting":
      return "apo.python";
    case "python extension":
      return "the interpreter chosen in the Python extension";
    case "workspace":
      return "the workspace's .venv";
    case "PATH":
      return "PATH";
  }
}
