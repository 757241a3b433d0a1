import {
  commands,
  Disposable,
  EventEmitter,
  ThemeIcon,
  TreeItem,
  TreeItemCollapsibleState,
  Uri,
  window,
  workspace,
} from "vscode";

import type { Branch } from "../../report/model";
import { caution, title } from "../../report/words";
import { COMMANDS } from "../common/commandIds";
import type { Runs } from "../runs/runs";
import { type Entry, family } from "./family";

const SCHEME = "apo-candidate";

/** The tree of the run's candidates; it grows while the run goes on. Choosing one compares it with the prompt. */
export function createCandidates(runs: Runs): Disposable {
  const news = new EventEmitter<void>();
  let entries: ReadonlyMap<string, Entry> = new Map();
  const view = window.createTreeView<string>("apo.candidates", {
    treeDataProvider: {
      onDidChangeTreeData: news.event,
      getChildren: (id) => {
        const report = runs.report;
        if (id === undefined) {
          return report === undefined ? [] : [report.prompt];
        }
        return [...(entries.get(id)?.children ?? [])];
      },
      getTreeItem: (id) => item(id, entries.get(id)),
    },
    showCollapseAll: true,
  });
  const show = (): void => {
    const report = runs.report;
    entries = report === undefined ? new Map() : family(report);
    view.description = report === undefined ? "" : title(report);
    view.message = report === undefined ? message(runs) : "";
    news.fire();
  };
  show();
  void commands.executeCommand("setContext", "apo.active", true);
  return Disposable.from(
    view,
    news,
    runs.onChange(show),
    workspace.registerTextDocumentContentProvider(SCHEME, { provideTextDocumentContent: (uri) => textOf(runs, uri) }),
    commands.registerCommand(COMMANDS.compareCandidate, async (id: string) => compare(runs, id)),
    commands.registerCommand(COMMANDS.applyCandidate, async (id: string | undefined) => apply(runs, id)),
  );
}

function item(id: string, entry: Entry | undefined): TreeItem {
  const open = entry === undefined || entry.children.length === 0 ? TreeItemCollapsibleState.None : TreeItemCollapsibleState.Expanded;
  const made = new TreeItem(entry?.label ?? id, open);
  // The editor remembers by id what is folded; a candidate that has its first child is to be open.
  made.id = `${id} ${open}`;
  made.description = entry?.description ?? "";
  made.tooltip = entry?.tooltip ?? "";
  made.iconPath = new ThemeIcon(entry?.icon ?? "circle-outline");
  if (entry !== undefined && entry.icon !== "file") {
    made.contextValue = "candidate";
    made.command = { title: "Compare", command: COMMANDS.compareCandidate, arguments: [id] };
  }
  return made;
}

function message(runs: Runs): string {
  return runs.prompt === undefined ? "Open a prompt to see its candidates." : "Optimize this prompt to see its candidates.";
}

/** The address of a candidate's text; its name is that of the prompt, so that it is coloured like one. */
function address(prompt: Uri, id: string): Uri {
  const name = prompt.path.split("/").at(-1) ?? "candidate.prompt";
  return Uri.from({ scheme: SCHEME, path: `/${id}/${name}` });
}

function textOf(runs: Runs, uri: Uri): string {
  const id = uri.path.split("/")[1];
  return runs.report?.branches.find((branch) => branch.id === id)?.text ?? "";
}

async function compare(runs: Runs, id: string): Promise<void> {
  const { prompt, report } = runs;
  const branch = report?.branches.find((one) => one.id === id);
  if (prompt === undefined || report === undefined || branch === undefined) {
    return;
  }
  const name = prompt.uri.path.split("/").at(-1) ?? "";
  const { label = "", description = "" } = family(report).get(id) ?? {};
  await commands.executeCommand(
    "vscode.diff",
    prompt.uri,
    address(prompt.uri, id),
    `${name} ↔ candidate (${label}, ${description})`,
    { preview: true },
  );
}

async function apply(runs: Runs, id: string | undefined): Promise<void> {
  const { prompt, report } = runs;
  const wanted = id ?? report?.best;
  if (prompt === undefined || report === undefined || wanted === undefined || wanted === report.prompt) {
    await window.showInformationMessage("There is no candidate to apply yet. Optimize this prompt first.");
    return;
  }
  const branch = report.branches.find((one) => one.id === wanted);
  if (branch !== undefined && branch.suspicions.length > 0 && !(await agreed(runs, branch))) {
    return;
  }
  await commands.executeCommand("apo.applyCandidate", prompt.uri.toString(), wanted);
}

/** Whether a candidate that adds what somebody should look at is to be applied all the same. */
async function agreed(runs: Runs, branch: Branch): Promise<boolean> {
  const options = { modal: true, detail: caution(branch) };
  const chosen = await window.showWarningMessage("Apply this candidate without a look at it?", options, "Compare", "Apply");
  if (chosen === "Compare") {
    await compare(runs, branch.id);
  }
  return chosen === "Apply";
}
