import { readFile } from "node:fs/promises";

import { expect, it } from "vitest";

import { sampleFiles } from "../src/walkthrough/sampleFiles";

const prompt = await readFile("../apo_engine/cli/first/first.prompt", "utf8");
const rows = await readFile("../apo_engine/cli/first/first.jsonl", "utf8");

it.each([
  [true, "openai/gpt-4.1-mini"],
  [false, "embedded/gemma-3-270m"],
])("is what `apo init` writes, with a model that answers (remote: %s)", (remote, model) => {
  const { "tickets.prompt": text, "tickets.jsonl": examples, ...others } = sampleFiles(prompt, rows, remote);
  expect(text).toContain(`\nmodel: ${model}\n`);
  expect(text).toContain("\napo.examples: tickets.jsonl\n");
  expect(text).not.toMatch(/MODEL|EXAMPLES/);
  expect(examples).toBe(rows);
  expect(others).toEqual({});
});
