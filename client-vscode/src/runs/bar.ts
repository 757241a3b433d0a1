import { Disposable, StatusBarAlignment, ThemeColor, window } from "vscode";

import { COMMANDS } from "../common/commands";
import type { Runs } from "./runs";
import { barText } from "./status";

/** The item in the status bar: what runs for the prompt that is edited, and the way to its report. */
export function createBar(runs: Runs): Disposable {
  const item = window.createStatusBarItem("apo.runs", StatusBarAlignment.Left, 10);
  item.name = "APO";
  item.command = COMMANDS.openReport;
  const show = (): void => {
    if (runs.prompt === undefined) {
      item.hide();
      return;
    }
    const { text, tooltip, warning } = barText(runs.status);
    item.text = text;
    item.tooltip = tooltip;
    item.accessibilityInformation = { label: tooltip };
    item.backgroundColor = warning ? new ThemeColor("statusBarItem.warningBackground") : undefined;
    item.show();
  };
  const listener = runs.onChange(show);
  show();
  return Disposable.from(item, listener);
}
