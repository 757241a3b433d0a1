import type { Branch, Comparison, Interval, Report, Verdict } from "./model";

const MINUS = "\u2212";

/** A fraction in per cent: `81.4\u00a0%`. */
export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)}\u00a0%`;
}

/** A difference of fractions in points, with its sign: `+2.2`. */
export function points(difference: number): string {
  const value = 100 * difference;
  return `${value < 0 ? MINUS : "+"}${Math.abs(value).toFixed(1)}`;
}

/** A 95 % interval of a score: `45.1 to 60.3\u00a0%`. */
export function range(interval: Interval): string {
  return `${(100 * interval[0]).toFixed(1)} to ${(100 * interval[1]).toFixed(1)}\u00a0%`;
}

/** What a candidate is worth against the user's prompt, on the rows both were scored on. */
export function effect(comparison: Comparison): string {
  const [low, high] = comparison.interval;
  return `${points(comparison.difference)} points on ${comparison.n} selection rows (95 % interval ${points(low)} to ${points(high)})`;
}

export function money(usd: number | null): string {
  return usd === null ? "price unknown" : usd === 0 ? "$0" : `$${usd < 0.1 ? usd.toFixed(4) : usd.toFixed(2)}`;
}

export function count(number: number, one: string): string {
  return `${number.toLocaleString("en-US")} ${one}${number === 1 ? "" : "s"}`;
}

/** The last part of a path of any platform. */
export function nameOf(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}

/** What a run is called, and how it stands. */
export function title(report: Report): string {
  const what = { evaluate: "Evaluation", gradients: "Critiques", optimize: "Optimization" }[report.job];
  return `${what} of ${report.file === "" ? "a prompt" : nameOf(report.file)}`;
}

/** What a verdict comes to. */
export function advice(decision: Verdict["decision"]): string {
  return decision === "adopt" ? "Adopt the winner" : "Keep your prompt";
}

/** What a reader should look at before a candidate is used. */
export function caution({ suspicions }: Branch): string {
  return `Check first: it ${suspicions.join(", and ")}`;
}

/** The same in our words alone, for places that make links of what they are given. */
export function cautionInBrief({ suspicions }: Branch): string {
  return `Check first: it ${suspicions.map((suspicion) => suspicion.replace(/ \(.*/su, "")).join(", and ")}`;
}

const OPERATORS: Readonly<Record<string, string>> = {
  seed: "your prompt",
  edit: "edit",
  paraphrase: "paraphrase",
  exemplars: "exemplars",
  rule: "rule",
};

/** What made a candidate out of its parent. */
export function operator(branch: Branch): string {
  return OPERATORS[branch.operator] ?? branch.operator.replace("phrase-", "phrase: ");
}
