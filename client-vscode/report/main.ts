/** The report of a run as a page, for two hosts: a file of its own, and a panel of the editor that sends it news. */
import { changes, type OpenRow } from "./changes";
import { confusion } from "./confusion";
import { curve } from "./curve";
import { difference } from "./difference";
import { element, KEY, section, table } from "./dom";
import type { Report } from "./model";
import { summary } from "./summary";
import { tree } from "./tree";
import { percent } from "./words";

interface Editor {
  readonly postMessage: (message: { kind: "ready" } | { kind: "row"; path: string; line: number }) => void;
}
declare const acquireVsCodeApi: (() => Editor) | undefined;

const WIDTH = 640;
let chosen: string | undefined;

function page(report: Report, openRow: OpenRow): HTMLElement {
  const shown = chosen ?? report.best;
  const branch = report.branches.find((one) => one.id === shown);
  const width = Math.min(WIDTH, document.documentElement.clientWidth - 48);
  const choose = (id: string): void => {
    chosen = id;
    render(report, openRow);
  };
  const discarded = Object.entries(report.discarded);
  return element(
    "main",
    {},
    summary(report),
    ...[
      section("Why it fails", critiques(report)),
      section("Score by round", curve(report, width)),
      section("Search tree", tree(report, width, shown, choose)),
      section("What it changes", branch !== undefined && report.branches.length > 1 ? difference(report, branch) : undefined),
      section("Confusion", confusion(report)),
      section("Rows that changed", changes(report, openRow)),
      section("Rewrites left out", discarded.length === 0 ? undefined : table("Rewrites left out", ["why", "rewrites"], discarded)),
      section("Notes", report.notes.length === 0 ? undefined : element("ul", {}, ...report.notes.map((note) => element("li", {}, note)))),
    ].filter((part) => part !== undefined),
    element("footer", { class: "quiet" }, `Run ${report.run}`),
  );
}

function critiques(report: Report): HTMLElement | undefined {
  return report.critiques.length === 0
    ? undefined
    : table(
        "Why it fails",
        ["failures", "rows", "critique"],
        report.critiques.map((found) => [percent(found.share), found.rows, found.critique]),
      );
}

/** Shows the report anew; whoever goes through the page by keyboard stays where they were. */
function render(report: Report, openRow: OpenRow): void {
  const before = window.scrollY;
  const reached = document.activeElement?.getAttribute(KEY);
  document.body.replaceChildren(page(report, openRow));
  if (reached != null) {
    document.querySelector<HTMLElement>(`[${KEY}="${CSS.escape(reached)}"]`)?.focus();
  }
  window.scrollTo(0, before);
}

function start(): void {
  if (typeof acquireVsCodeApi === "function") {
    const editor = acquireVsCodeApi();
    window.addEventListener("message", (event: MessageEvent<Report>) => {
      render(event.data, (path, line) => {
        editor.postMessage({ kind: "row", path, line });
      });
    });
    editor.postMessage({ kind: "ready" });
    return;
  }
  const data = document.getElementById("report")?.textContent;
  if (data) {
    render(JSON.parse(data) as Report, undefined);
  }
}

start();
