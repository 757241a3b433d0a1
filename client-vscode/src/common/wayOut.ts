import { COMMANDS } from "./commandIds";

/** What the server tells of a problem, in its notification `apo/status`. */
export interface ProblemMessage {
  readonly message: string;
  readonly remedy: string;
  readonly severity: "error" | "warning" | "information";
  readonly code: string;
  /** The address of the file where it stands, and its 1-based line there. */
  readonly file: string | null;
  readonly line: number | null;
}

/** The one thing to do about a problem: what the button says, and the command that it runs. */
export interface WayOut {
  readonly button: string;
  readonly command: string;
  readonly args: readonly unknown[];
}

/** Where a problem stands: an address and a 1-based line. */
export interface Place {
  readonly button: "Show";
  readonly file: string;
  readonly line: number;
}

const SET_KEY: WayOut = { button: "Set API key", command: COMMANDS.setApiKey, args: [] };
const TEST: WayOut = { button: "Test connection", command: COMMANDS.testConnection, args: [] };
const INSTALL: WayOut = { button: "Install model", command: COMMANDS.installModel, args: [] };
const settings = (named: string): WayOut => ({ button: "Open settings", command: "workbench.action.openSettings", args: [named] });

/** By the codes of the engine. */
export const OF_CODE: Readonly<Record<string, WayOut>> = {
  "model-key-missing": SET_KEY,
  "model-unauthorized": SET_KEY,
  "model-forbidden": SET_KEY,
  "model-not-installed": INSTALL,
  "model-unreachable": TEST,
  "model-timeout": TEST,
  "model-redirect": TEST,
  "model-answer-not-json": TEST,
  "model-not-found": TEST,
  "model-throttled": TEST,
  "model-server-error": TEST,
  "model-proxy": settings("http.proxy"),
  "model-unknown": settings("apo.model"),
  "model-unnamed": settings("apo.model"),
  "budget-failures": TEST,
  "budget-day": settings("apo.workspaceBudget"),
};

/** What is said of a problem, and the way out of it: its place, or else the fix; undefined where there is neither. */
export function told({ message, remedy, code, file, line }: ProblemMessage): { sentence: string; way: WayOut | Place | undefined } {
  const fix = OF_CODE[code];
  if (file === null && fix !== undefined) {
    return { sentence: `APO: ${message}`, way: fix };
  }
  const sentence = `APO: ${[message, remedy].filter((part) => part !== "").join(" ")}`;
  const way = file === null ? undefined : ({ button: "Show", file, line: line ?? 1 } as const);
  return { sentence, way };
}

/** The way out of what a test of the connection found: the key, the proxy, or else the address. */
export function wayOutOfTest(code: string): WayOut {
  const way = OF_CODE[code];
  return way !== undefined && way !== TEST ? way : settings("apo.baseUrl");
}
