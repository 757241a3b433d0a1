import { commands, type Disposable, Uri, window } from "vscode";

import type { Report } from "../../report/model";
import { advice, cautionInBrief, nameOf } from "../../report/words";
import { COMMANDS } from "../common/commandIds";
import { plain } from "../common/plain";
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

/** What can be done with a winner; one that adds what somebody should look at is compared before it can be applied. */
async function offer(told: string, report: Report): Promise<"Apply" | "Compare" | "Open report" | undefined> {
  const best = report.branches.find((branch) => branch.id === report.best);
  return best !== undefined && best.suspicions.length > 0
    ? window.showWarningMessage(`${told} ${cautionInBrief(best)}.`, "Compare", "Open report")
    : window.showInformationMessage(told, "Apply", "Compare", "Open report");
}

async function tell(runs: Runs, prompt: Uri, report: Report): Promise<void> {
  const { decision, words } = report.verdict ?? { decision: "keep", words: "" };
  const told = `${plain(nameOf(prompt.path))}: ${advice(decision)}: ${words}.`;
  const chosen = decision === "adopt" ? await offer(told, report) : await window.showInformationMessage(told, "Open report");
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
