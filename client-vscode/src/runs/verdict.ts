import { commands, type Disposable, Uri, window } from "vscode";

import type { Report } from "../../report/model";
import { advice, nameOf } from "../../report/words";
import { COMMANDS } from "../common/commandIds";
import type { Runs } from "./runs";

/** Tells the verdict of each search that ends, with the ways on: compare, apply, or read the report. */
export function createVerdicts(runs: Runs): Disposable {
  return runs.onEnd(async ({ uri, run }) => {
    const report = await commands.executeCommand<Report | null>("apo.report", uri);
    if (report?.verdict != null && report.run === run) {
      await tell(runs, Uri.parse(uri), report);
    }
  });
}

async function tell(runs: Runs, prompt: Uri, report: Report): Promise<void> {
  const { decision, words } = report.verdict ?? { decision: "keep", words: "" };
  const ways = decision === "adopt" ? (["Apply", "Compare", "Open report"] as const) : (["Open report"] as const);
  const chosen = await window.showInformationMessage(`${nameOf(prompt.path)}: ${advice(decision)}: ${words}.`, ...ways);
  switch (chosen) {
    case "Apply":
      await window.showTextDocument(prompt, { preview: false });
      await commands.executeCommand("apo.applyCandidate", prompt.toString(), report.best);
      break;
    case "Compare":
      await runs.show(prompt, report);
      await commands.executeCommand(COMMANDS.compareCandidate, report.best);
      break;
    case "Open report":
      await runs.show(prompt, report);
      await commands.executeCommand(COMMANDS.openReport);
      break;
    case undefined:
      break;
  }
}
