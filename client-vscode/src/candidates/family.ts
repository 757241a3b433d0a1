import type { Branch, Report } from "../../report/model";
import { caution, effect, operator, percent } from "../../report/words";

/** A candidate in the view: what stands in its line and what is said when the mouse rests there. */
export interface Entry {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly tooltip: string;
  readonly icon: "star-full" | "circle-filled" | "circle-outline" | "file";
  readonly children: readonly string[];
}

/** The candidates of a run by id, each with its children, the best first. */
export function family(report: Report): ReadonlyMap<string, Entry> {
  return new Map(report.branches.map((branch) => [branch.id, entry(report, branch)]));
}

function entry(report: Report, branch: Branch): Entry {
  const children = report.branches
    .filter((child) => child.parent === branch.id && child.id !== branch.id)
    .sort((one, other) => (other.score ?? -1) - (one.score ?? -1));
  return {
    id: branch.id,
    label: branch.score === null ? "not scored" : percent(branch.score),
    description: [
      span(branch),
      role(report, branch),
      branch.suspicions.length > 0 ? "check first" : "",
      operator(branch),
      branch.round > 0 ? `round ${branch.round}` : "",
    ]
      .filter((part) => part !== "")
      .join(" · "),
    tooltip: [
      branch.against === null ? "" : effect(branch.against),
      branch.interval === null ? "" : `95 % interval ${(100 * branch.interval[0]).toFixed(1)} to ${(100 * branch.interval[1]).toFixed(1)} %, n ${branch.n}`,
      branch.suspicions.length === 0 ? "" : caution(branch),
      ...branch.critiques.map((critique) => `“${critique}”`),
    ]
      .filter((part) => part !== "")
      .join("\n"),
    icon: icon(report, branch),
    children: children.map((child) => child.id),
  };
}

/** The 95 % interval in whole per cent: `77–98`. */
function span({ interval }: Branch): string {
  return interval === null ? "" : interval.map((bound) => (100 * bound).toFixed(0)).join("–");
}

function role(report: Report, branch: Branch): string {
  if (branch.id === report.prompt || branch.id !== report.best) {
    return "";
  }
  return report.stopped === "running" ? "leads" : "winner";
}

function icon(report: Report, branch: Branch): Entry["icon"] {
  if (branch.id === report.prompt) {
    return "file";
  }
  if (branch.id === report.best) {
    return "star-full";
  }
  return branch.kept.length > 0 ? "circle-filled" : "circle-outline";
}
