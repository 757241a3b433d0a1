/** A run as `apo report --json` tells it; scores are fractions of 1. */
export interface Report {
  readonly run: string;
  readonly job: "evaluate" | "gradients" | "optimize";
  readonly file: string;
  readonly metric: string;
  readonly labels: readonly string[];
  readonly task_model: string;
  readonly optimizer_model: string;
  readonly rows: { readonly critique: number; readonly selection: number; readonly holdout: number };
  readonly caps: Caps;
  /** The id of the user's prompt among the branches. */
  readonly prompt: string;
  /** The id of the search's winner, or of the leader so far. */
  readonly best: string;
  readonly score: number | null;
  readonly interval: Interval | null;
  readonly n: number;
  readonly critiques: readonly Critique[];
  readonly failing: readonly Failure[];
  readonly branches: readonly Branch[];
  readonly points: readonly Point[];
  readonly discarded: Readonly<Record<string, number>>;
  readonly compared: number;
  readonly before: Confusion;
  readonly after: Confusion;
  readonly changes: readonly Change[];
  readonly notes: readonly string[];
  readonly verdict: Verdict | null;
  readonly spent: Spent;
  readonly seconds: number | null;
  readonly stopped: string;
  readonly reason: string;
}

export type Interval = readonly [number, number];
/** Rows by expected and answered label; an answer that could not be read counts under the empty one. */
export type Confusion = Readonly<Record<string, Readonly<Record<string, number>>>>;

export interface Caps {
  readonly calls: number | null;
  readonly tokens: number | null;
  readonly usd: number | null;
  readonly seconds: number | null;
}

export interface Spent {
  readonly calls: Readonly<Record<string, number>>;
  readonly cached: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** Null where a price is unknown. */
  readonly usd: number | null;
}

export interface Comparison {
  readonly start: number;
  readonly best: number;
  readonly difference: number;
  readonly interval: Interval;
  readonly p: number;
  readonly n: number;
  readonly confidence: number;
}

export interface Figures {
  readonly n: number;
  readonly invalid: number;
  readonly accuracy: number | null;
  readonly f1: Readonly<Record<string, number>>;
}

export interface Verdict {
  readonly comparison: Comparison;
  readonly decision: "adopt" | "keep";
  readonly words: string;
  readonly start: Figures | null;
  readonly best: Figures | null;
}

export interface Branch {
  readonly id: string;
  readonly operator: string;
  readonly parent: string | null;
  readonly round: number;
  readonly critiques: readonly string[];
  readonly text: string;
  readonly score: number | null;
  readonly interval: Interval | null;
  readonly n: number;
  readonly against: Comparison | null;
  readonly kept: readonly number[];
  /** What it adds to the user's prompt that a reader should look at, in words that go on from "it". */
  readonly suspicions: readonly string[];
}

export interface Point {
  readonly round: number;
  readonly candidate: string;
  readonly score: number;
  readonly interval: Interval;
  readonly n: number;
  readonly spent: Spent;
}

/** Why the user's prompt fails, by the share of its failures. */
export interface Critique {
  readonly critique: string;
  readonly share: number;
  readonly rows: number;
}

/** An open row that the user's prompt gets wrong, or not wholly right. */
export interface Failure {
  readonly path: string;
  readonly line: number;
  readonly expected: string;
  readonly answered: string;
  readonly score: number;
}

export interface Change {
  readonly row: string;
  readonly path: string;
  readonly line: number;
  readonly expected: string;
  readonly before: string;
  readonly after: string;
  readonly better: boolean;
}
