import { type Disposable, StatusBarAlignment, ThemeColor, window } from "vscode";

import { COMMANDS } from "../common/commandIds";
import type { ServerState } from "../server/state";
import type { Runs } from "./runs";
import { type BarText, barText } from "./status";

const CLICKS: Readonly<Record<BarText["command"], string>> = {
  report: COMMANDS.openReport,
  logs: COMMANDS.showLogs,
  trust: "workbench.trust.manage",
};

/** The item in the status bar: what runs for the prompt that is edited, and the way on from there. */
export class Bar implements Disposable {
  readonly #item = window.createStatusBarItem("apo.runs", StatusBarAlignment.Left, 10);
  readonly #runs: Runs;
  readonly #listener: Disposable;
  #server: ServerState = { kind: "starting" };

  constructor(runs: Runs) {
    this.#runs = runs;
    this.#item.name = "APO";
    this.#listener = runs.onChange(() => {
      this.#draw();
    });
    this.#draw();
  }

  /** What the server is doing now. */
  show(server: ServerState): void {
    this.#server = server;
    this.#draw();
  }

  dispose(): void {
    this.#listener.dispose();
    this.#item.dispose();
  }

  #draw(): void {
    if (this.#runs.prompt === undefined) {
      this.#item.hide();
      return;
    }
    const { text, tooltip, look, command } = barText(this.#server, this.#runs.status);
    this.#item.text = text;
    this.#item.tooltip = tooltip;
    this.#item.accessibilityInformation = { label: tooltip };
    this.#item.backgroundColor = look === "plain" ? undefined : new ThemeColor(`statusBarItem.${look}Background`);
    this.#item.command = CLICKS[command];
    this.#item.show();
  }
}
