import { element, table } from "./dom";
import type { Figures, Report } from "./model";
import { advice, count, money, percent, points, range, title } from "./words";

/** The heading, the verdict, and the figures that matter most. */
export function summary(report: Report): HTMLElement {
  return element(
    "header",
    {},
    element("h1", {}, title(report)),
    element("p", { class: "quiet" }, `${report.task_model} answers; ${report.optimizer_model} criticises and rewrites`),
    callout(report),
    element("dl", { class: "figures" }, ...figures(report).flatMap(([name, value, more]) => [
      element("div", {}, element("dt", {}, name), element("dd", {}, value), element("dd", { class: "quiet" }, more)),
    ])),
    judged(report),
  );
}

function callout(report: Report): HTMLElement {
  const { verdict } = report;
  if (verdict !== null) {
    const words = [element("b", {}, advice(verdict.decision)), `: ${verdict.words}.`];
    return element("p", { class: `callout ${verdict.decision}`, role: "status" }, ...words);
  }
  if (report.stopped === "running") {
    return element("p", { class: "callout", role: "status" }, element("b", {}, "Running"), ": what is known so far.");
  }
  return element("p", { class: "callout", role: "status" }, report.reason === "" ? report.stopped : sentence(report.reason));
}

function figures(report: Report): (readonly [string, string, string])[] {
  const calls = Object.values(report.spent.calls).reduce((sum, made) => sum + made, 0);
  const found: (readonly [string, string, string])[] = [];
  if (report.score !== null && report.interval !== null) {
    found.push(["Your prompt", percent(report.score), `${report.metric}, ${count(report.n, "row")}, ${range(report.interval)}`]);
  }
  const best = report.branches.find((branch) => branch.id === report.best);
  if (report.best !== report.prompt && best?.against) {
    found.push([
      report.stopped === "running" ? "Leader so far" : "Winner of the search",
      `${points(best.against.difference)} points`,
      `on ${count(best.against.n, "selection row")}`,
    ]);
  }
  const cap = report.caps.calls === null ? "" : ` of ${report.caps.calls.toLocaleString("en-US")}`;
  found.push(["Calls", `${calls.toLocaleString("en-US")}${cap}`, `${report.spent.cached.toLocaleString("en-US")} answered before`]);
  const purse = report.caps.usd === null ? "no cap on money" : `of ${money(report.caps.usd)}`;
  found.push(["Spent", money(report.spent.usd), purse]);
  if (report.seconds !== null) {
    found.push(["Time", `${report.seconds.toFixed(1)} s`, sentence(report.reason)]);
  }
  return found;
}

/** Both prompts on the rows that the search never saw. */
function judged(report: Report): HTMLElement | undefined {
  const { verdict } = report;
  if (verdict === null) {
    return undefined;
  }
  const shown = (name: string, of: (figures: Figures) => string): string[] =>
    verdict.start !== null && verdict.best !== null ? [name, of(verdict.start), of(verdict.best)] : [];
  const { comparison } = verdict;
  const rows = [
    [`${report.metric} on ${count(comparison.n, "unseen row")}`, percent(comparison.start), percent(comparison.best)],
    ...["binary", "macro"]
      .filter((kind) => verdict.start?.f1[kind] !== undefined)
      .map((kind) => shown(`F1, ${kind}`, (figures) => (figures.f1[kind] ?? 0).toFixed(3))),
    shown("answers that could not be read", (figures) => String(figures.invalid)),
  ].filter((row) => row.length > 0);
  return table("Both prompts on the unseen rows", ["", "your prompt", "the winner"], rows);
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
