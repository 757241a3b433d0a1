import { type LogOutputChannel, window } from "vscode";

/** The one output channel of the extension; the server's log and the protocol trace go there too. */
export function createLogger(): LogOutputChannel {
  return window.createOutputChannel("APO", { log: true });
}
