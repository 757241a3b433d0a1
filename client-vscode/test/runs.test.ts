import { describe, expect, test } from "vitest";

import type { Branch, Report } from "../report/model";
import { cautionInBrief } from "../report/words";
import { visible } from "../report/text";
import { family } from "../src/candidates/family";
import { problemReport } from "../src/problem/text";
import type { Launch } from "../src/server/launch";
import { barText, dollars, type RunStatus } from "../src/runs/status";

const running: RunStatus = { uri: "file:///a.prompt", state: "running", words: "Round 2 (12/40)", percentage: 31, usd: 0.0123, run: "1" };

const launch: Launch = { command: "python3", args: [], source: "PATH" };
const served = { kind: "running", launch, version: "1", trusted: true } as const;

describe("the status bar", () => {
  test("says how far a run has come and what it has spent", () => {
    expect(barText(served, running)).toEqual({
      text: "$(sync~spin) APO 31 % · $0.012",
      tooltip: "APO: Round 2 (12/40)",
      look: "plain",
      command: "report",
    });
    expect(barText(served, { ...running, usd: null }).text).toBe("$(sync~spin) APO 31 %");
  });
  test("warns where the budget is spent", () => {
    const paused = { text: "$(debug-pause) APO: paused by budget", look: "warning" };
    expect(barText(served, { ...running, state: "paused" })).toMatchObject(paused);
  });
  test("is calm where nothing runs", () => {
    expect(barText(served, undefined)).toEqual(barText(served, { ...running, state: "idle" }));
  });
  test("leads to the logs of a server that is down, and says that it comes back where it does", () => {
    const down = { kind: "down", sentence: "It keeps crashing." } as const;
    expect(barText(down, undefined)).toMatchObject({ text: "$(error) APO", look: "error", command: "logs" });
    expect(barText(down, undefined).tooltip).toContain("It keeps crashing.");
    expect(barText({ kind: "missing", sentence: "No Python." }, running)).toMatchObject({ look: "error", command: "logs" });
    expect(barText({ kind: "crashed", retryInMs: 2_000 }, undefined)).toMatchObject({ look: "warning" });
    expect(barText({ kind: "starting" }, undefined)).toMatchObject({ look: "plain" });
  });
  test("says that no model is called without trust, and leads there", () => {
    const text = barText({ ...served, trusted: false }, undefined);
    expect(text).toMatchObject({ text: "$(shield) APO: restricted", command: "trust" });
  });
  test("money shows its first digits", () => {
    expect([0, 0.0001, 0.004, 0.25, 12].map(dollars)).toEqual(["$0", "below $0.001", "$0.004", "$0.25", "$12.00"]);
  });
});

const against = { start: 0.5, best: 0.8, difference: 0.3, interval: [0.1, 0.5], p: 0.01, n: 20, confidence: 0.95 } as const;
const branch = (id: string, parent: string | null, more: Partial<Branch> = {}): Branch => ({
  id, parent, operator: "edit", round: 1, critiques: [], text: id, score: 0.5, interval: [0.4, 0.6], n: 20, against, kept: [], suspicions: [], ...more,
});
const report = {
  prompt: "seed",
  best: "good",
  stopped: "finished",
  branches: [
    branch("seed", null, { operator: "seed", round: 0, against: null }),
    branch("poor", "seed", { score: 0.4 }),
    branch("good", "seed", { score: 0.8, kept: [1], critiques: ["It never says why."] }),
    branch("odd", "late", { score: null, suspicions: ["adds a link ('https://x.example')"] }),
    branch("late", "good", { score: null, interval: null, against: null, round: 2 }),
  ],
} as unknown as Report;

describe("the candidates", () => {
  const entries = family(report);
  test("hang on what they were made from, the best first", () => {
    expect(entries.get("seed")?.children).toEqual(["good", "poor"]);
    expect(entries.get("good")?.children).toEqual(["late"]);
  });
  test("say what somebody should look at before one is used", () => {
    expect(entries.get("odd")?.description).toContain("check first");
    expect(entries.get("odd")?.tooltip).toContain("Check first: it adds a link ('https://x.example')");
    expect(entries.get("good")?.tooltip).not.toContain("Check first");
    const suspicions = ["adds a link ('[see](command:x) (y)')", "adds HTML ('<b\n>')"];
    expect(cautionInBrief(branch("odd", null, { suspicions }))).toBe("Check first: it adds a link, and adds HTML");
  });
  test("say their score, origin and worth", () => {
    expect(entries.get("good")).toMatchObject({ label: "80.0\u00a0%", description: "40–60 · winner · edit · round 1", icon: "star-full" });
    expect(entries.get("good")?.tooltip).toBe(
      "+30.0 points on 20 selection rows (95 % interval +10.0 to +50.0)\n95 % interval 40.0 to 60.0 %, n 20\n“It never says why.”",
    );
    expect(entries.get("late")).toMatchObject({ label: "not scored", icon: "circle-outline", tooltip: "" });
    expect(entries.get("seed")).toMatchObject({ description: "40–60 · your prompt", icon: "file" });
  });
  test("a leader is no winner before the run has ended", () => {
    expect(family({ ...report, stopped: "running" }).get("good")?.description).toBe("40–60 · leads · edit · round 1");
  });
});

test("what is hidden in a text shows its number", () => {
  expect(visible("a\u202eb\u200bc\u0007\ud800\r\nd\te")).toBe("a<U+202E>b<U+200B>c<U+0007><U+D800>\nd\te");
});

test("a problem report holds what it is given and says what to look at before sending", () => {
  const text = problemReport({ extension: "1.2.3" }, { "apo.model": "set" });
  expect(text).toContain("- extension: 1.2.3");
  expect(text).toContain("- apo.model: set");
  expect(text).toContain("after reading them");
});
