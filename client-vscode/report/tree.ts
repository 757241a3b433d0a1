import * as Plot from "@observablehq/plot";
import { hierarchy, type HierarchyPointNode, tree as layout } from "d3-hierarchy";

import { element, KEY } from "./dom";
import { graphic } from "./graphic";
import type { Branch, Report } from "./model";
import { caution, effect, operator, percent } from "./words";

interface Family {
  readonly branch: Branch;
  readonly children: readonly Family[];
}

type Placed = HierarchyPointNode<Family>;

const ROW = 22;

/** Called with the id of the candidate that the reader wants to see. */
export type Choose = (id: string) => void;

/** The search tree: drawn, and beside it as a list that the keyboard reaches. */
export function tree(report: Report, width: number, chosen: string, choose: Choose): HTMLElement | undefined {
  const families = familiesOf(report);
  const root = families.find((family) => family.branch.id === report.prompt);
  if (root === undefined || report.branches.length < 2) {
    return undefined;
  }
  const placed = layout<Family>().nodeSize([1, 1])(hierarchy<Family>(root, (family) => [...family.children]));
  const nodes = placed.descendants();
  return element("div", { class: "tree" }, drawn(report, nodes, placed.links(), width), list(report, nodes, chosen, choose));
}

function drawn(
  report: Report,
  nodes: readonly Placed[],
  links: readonly { source: Placed; target: Placed }[],
  width: number,
): HTMLElement {
  const lines = new Map(nodes.map((node) => [node.data.branch.id, node.x]));
  const breadth = Math.max(...lines.values()) - Math.min(...lines.values());
  const score = (node: Placed): number | null => node.data.branch.score;
  const onWay = wayTo(report);
  return graphic("The search tree; the list that follows says the same in words.", {
    width,
    height: Math.min(520, Math.max(120, ROW * (breadth + 2))),
    marginLeft: 16,
    marginRight: 16,
    axis: null,
    inset: 10,
    color: { type: "linear", scheme: "blues", legend: false, domain: scoreDomain(nodes) },
    marks: [
      Plot.link(links, {
        x1: (link: { source: Placed }) => link.source.depth,
        x2: (link: { target: Placed }) => link.target.depth,
        y1: (link: { source: Placed }) => link.source.x,
        y2: (link: { target: Placed }) => link.target.x,
        curve: "bump-x",
        strokeOpacity: (link: { target: Placed }) => (onWay.has(link.target.data.branch.id) ? 1 : 0.3),
        strokeWidth: (link: { target: Placed }) => (onWay.has(link.target.data.branch.id) ? 2.5 : 1),
      }),
      Plot.dot(nodes, {
        x: "depth",
        y: "x",
        r: (node: Placed) => (node.data.branch.id === report.best ? 8 : node.data.branch.kept.length > 0 ? 6 : 4),
        fill: score,
        stroke: "currentColor",
        strokeWidth: (node: Placed) => (onWay.has(node.data.branch.id) ? 2 : 0.75),
        title: (node: Placed) => described(report, node.data.branch),
      }),
    ],
  });
}

function list(report: Report, nodes: readonly Placed[], chosen: string, choose: Choose): HTMLElement {
  const rows = [...nodes].sort((one, other) => worth(other.data.branch) - worth(one.data.branch));
  return element(
    "ol",
    { class: "candidates", "aria-label": "Candidates, the best first" },
    ...rows.map(({ data: { branch } }) => {
      const button = element(
        "button",
        { type: "button", "aria-pressed": String(branch.id === chosen), title: described(report, branch), [KEY]: branch.id },
        element("span", { class: "number" }, branch.score === null ? "–" : percent(branch.score)),
        element("span", {}, label(report, branch)),
        branch.suspicions.length === 0 ? undefined : element("span", { class: "caution" }, caution(branch)),
      );
      button.addEventListener("click", () => {
        choose(branch.id);
      });
      return element("li", {}, button);
    }),
  );
}

function label(report: Report, branch: Branch): string {
  const parts = [operator(branch), branch.round > 0 ? `round ${branch.round}` : "", branch.id === report.best && branch.id !== report.prompt ? "winner" : ""];
  return parts.filter((part) => part !== "").join(" · ");
}

function described(report: Report, branch: Branch): string {
  const worthOf = branch.against === null ? (branch.score === null ? "not scored" : percent(branch.score)) : effect(branch.against);
  const cautions = branch.suspicions.length === 0 ? [] : [caution(branch)];
  return [label(report, branch), worthOf, ...cautions, ...branch.critiques].join("\n");
}

function worth(branch: Branch): number {
  return branch.score ?? -1;
}

/** The ids from the winner back to the user's prompt. */
function wayTo(report: Report): ReadonlySet<string> {
  const parents = new Map(report.branches.map((branch) => [branch.id, branch.parent]));
  const way = new Set<string>();
  for (let id: string | null | undefined = report.best; id != null && !way.has(id); id = parents.get(id)) {
    way.add(id);
  }
  return way;
}

function scoreDomain(nodes: readonly Placed[]): [number, number] {
  const scores = nodes.map((node) => node.data.branch.score).filter((score) => score !== null);
  return scores.length === 0 ? [0, 1] : [Math.min(...scores) - 0.1, Math.max(...scores)];
}

function familiesOf(report: Report): readonly Family[] {
  const families = new Map<string, { branch: Branch; children: Family[] }>(
    report.branches.map((branch) => [branch.id, { branch, children: [] }]),
  );
  for (const family of families.values()) {
    const { parent } = family.branch;
    if (parent !== null && parent !== family.branch.id) {
      families.get(parent)?.children.push(family);
    }
  }
  return [...families.values()];
}
