import { diffWordsWithSpace } from "diff";

import { element, KEY } from "./dom";
import type { Branch, Report } from "./model";
import { caution, effect, operator } from "./words";

/** What a candidate changes in the user's prompt, and why. */
export function difference(report: Report, branch: Branch): HTMLElement {
  const prompt = report.branches.find((one) => one.id === report.prompt);
  const parts = diffWordsWithSpace(prompt?.text ?? "", branch.text);
  const shown = parts.map((part) =>
    part.added ? element("ins", {}, part.value) : part.removed ? element("del", {}, part.value) : part.value,
  );
  return element(
    "div",
    { "aria-live": "polite" },
    element("p", {}, `${operator(branch)}${branch.against === null ? "" : `: ${effect(branch.against)}`}`),
    branch.suspicions.length === 0 ? undefined : element("p", { class: "callout keep" }, caution(branch)),
    ...(branch.critiques.length === 0 ? [] : [element("ul", {}, ...branch.critiques.map((words) => element("li", {}, words)))]),
    element("pre", { class: "prompt", tabindex: "0", [KEY]: "prompt" }, ...shown),
  );
}
