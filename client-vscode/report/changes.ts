import { element, KEY, table } from "./dom";
import type { Change, Report } from "./model";
import { count, nameOf } from "./words";

/** Called with the place of a row that the reader wants to see; undefined where the host can show none. */
export type OpenRow = ((path: string, line: number) => void) | undefined;

/** The open rows that the best prompt answers otherwise, the worsened first. */
export function changes(report: Report, openRow: OpenRow): HTMLElement | undefined {
  if (report.changes.length === 0) {
    return undefined;
  }
  const better = report.changes.filter((change) => change.better).length;
  const worse = report.changes.length - better;
  return element(
    "div",
    {},
    element("p", { class: "quiet" }, `${count(better, "row")} better, ${count(worse, "row")} worse.`),
    table(
      "Rows whose answers changed",
      ["", "row", "expected", "your prompt", "the winner"],
      report.changes.map((change) => [
        element("span", { class: change.better ? "better" : "worse" }, change.better ? "better" : "worse"),
        place(change, openRow),
        change.expected,
        change.before,
        change.after,
      ]),
    ),
  );
}

function place(change: Change, openRow: OpenRow): Node | string {
  const words = `${nameOf(change.path)}:${change.line}`;
  if (openRow === undefined) {
    return words;
  }
  const button = element("button", { type: "button", class: "link", [KEY]: `${change.path}:${change.line}` }, words);
  button.addEventListener("click", () => {
    openRow(change.path, change.line);
  });
  return button;
}
