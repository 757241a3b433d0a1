import { element } from "./dom";
import type { Confusion, Report } from "./model";
import { count } from "./words";

/** Which labels are taken for which, of the user's prompt and of the best one side by side. */
export function confusion(report: Report): HTMLElement | undefined {
  if (Object.keys(report.before).length === 0) {
    return undefined;
  }
  const most = Math.max(1, ...[report.before, report.after].flatMap(counts));
  const after = Object.keys(report.after).length === 0 ? undefined : matrix("The winner", report.after, report, most);
  return element(
    "div",
    {},
    element("p", { class: "quiet" }, `${count(report.compared, "open row")}; expected labels down, answers across.`),
    element("div", { class: "side" }, matrix("Your prompt", report.before, report, most), after),
  );
}

function matrix(caption: string, confusion: Confusion, report: Report, most: number): HTMLElement {
  const expected = Object.keys(confusion);
  const answers = [...new Set([...report.labels, ...expected.flatMap((label) => Object.keys(confusion[label] ?? {}))])];
  const head = element(
    "tr",
    {},
    element("th", { scope: "col" }, ""),
    ...answers.map((answer) => element("th", { scope: "col" }, answer === "" ? "unreadable" : answer)),
  );
  const rows = expected.map((label) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, label),
      ...answers.map((answer) => cell(confusion[label]?.[answer] ?? 0, answer === label, most)),
    ),
  );
  return element(
    "table",
    { class: "matrix" },
    element("caption", {}, caption),
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
}

function cell(rows: number, right: boolean, most: number): HTMLElement {
  const made = element("td", { class: right ? "right" : "wrong" }, rows === 0 ? "·" : String(rows));
  made.style.setProperty("--share", String(rows / most));
  return made;
}

function counts(confusion: Confusion): number[] {
  return Object.values(confusion).flatMap((answers) => Object.values(answers));
}
