import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { expect, test } from "vitest";

import { COMMANDS } from "../src/common/commandIds";
import { OF_CODE, told, wayOutOfTest } from "../src/common/wayOut";

const problem = { message: "It fails.", remedy: "Mend it.", severity: "error", file: null, line: null } as const;

test("a key helps against a missing or refused key, wherever that is found", () => {
  for (const code of ["model-key-missing", "model-unauthorized", "model-forbidden"]) {
    const { sentence, way } = told({ ...problem, code });
    expect(sentence).toBe("APO: It fails.");
    expect(way).toMatchObject({ button: "Set API key", command: COMMANDS.setApiKey });
    expect(wayOutOfTest(code)).toBe(way);
  }
});

test("a run that found nobody leads to the test, and the test to the address", () => {
  expect(told({ ...problem, code: "model-unreachable" }).way).toMatchObject({ command: COMMANDS.testConnection });
  expect(wayOutOfTest("model-unreachable")).toMatchObject({ button: "Open settings", args: ["apo.baseUrl"] });
});

test("a spent budget leads to its setting", () => {
  expect(told({ ...problem, code: "budget-day" }).way).toMatchObject({ args: ["apo.workspaceBudget"] });
});

test("what is wrong in a file leads there, and says what to do", () => {
  const { sentence, way } = told({ ...problem, code: "row-sealed", file: "file:///a/rows.jsonl", line: 7 });
  expect(sentence).toBe("APO: It fails. Mend it.");
  expect(way).toEqual({ button: "Show", file: "file:///a/rows.jsonl", line: 7 });
  expect(told({ ...problem, code: "anything" }).way).toBeUndefined();
});

test("a proxy that lets nothing through leads to its setting, wherever that is found", () => {
  const { way } = told({ ...problem, code: "model-proxy" });
  expect(way).toMatchObject({ button: "Open settings", args: ["http.proxy"] });
  expect(wayOutOfTest("model-proxy")).toBe(way);
});

test("a model that nobody knows leads to where it is named, be it a file or the settings", () => {
  const placed = { ...problem, code: "model-not-found", file: "file:///a/b.prompt", line: 2 };
  expect(told(placed).way).toEqual({ button: "Show", file: "file:///a/b.prompt", line: 2 });
  expect(told({ ...problem, code: "model-unknown" }).way).toMatchObject({ args: ["apo.model"] });
  expect(told({ ...problem, code: "model-not-found" }).way).toMatchObject({ button: "Test connection" });
});

test("every code is one of the engine's", () => {
  const engine = path.join(import.meta.dirname, "../../apo_engine");
  const sources = readdirSync(engine, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".py"));
  const text = sources.map((name) => readFileSync(path.join(engine, name), "utf8")).join("");
  expect(Object.keys(OF_CODE).filter((code) => !text.includes(`"${code}"`))).toEqual([]);
});
