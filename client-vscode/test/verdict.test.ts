import { expect, test, vi } from "vitest";

const shown: string[] = [];
const report = { run: "01", best: "seed", branches: [], verdict: { decision: "keep", words: "+0.0 points on 40 unseen rows" } };
vi.mock("vscode", () => ({
  commands: { executeCommand: async () => Promise.resolve(report) },
  Uri: { parse: (uri: string) => ({ path: decodeURIComponent(uri.replace("file://", "")) }) },
  window: { showInformationMessage: async (sentence: string) => Promise.resolve(void shown.push(sentence)) },
}));
const { createVerdicts } = await import("../src/runs/verdict");

/** What the user is told when the search for the prompt `name` ends. */
async function sentenceAbout(name: string): Promise<string | undefined> {
  let end: (ended: { uri: string; run: string }) => Promise<void> = async () => Promise.resolve();
  createVerdicts({ onEnd: (listener: typeof end) => void (end = listener) } as never);
  shown.length = 0;
  await end({ uri: `file:///code/${encodeURIComponent(name)}`, run: "01" });
  return shown[0];
}

test("a verdict names its prompt", async () => {
  expect(await sentenceAbout("tickets.prompt")).toBe("tickets.prompt: Keep your prompt: +0.0 points on 40 unseen rows.");
});

test.each([
  ["[Open the report](command:workbench.action.terminal.sendSequence).prompt", "[Open the report] (command:"],
  ["a\u202Etpmorp.prompt", "a\\u{202e}tpmorp"],
  ["a\nAPO: allow it.prompt", "a\\u{a}APO: allow it"],
])("the name of a prompt is text, and no link to follow: %j", async (name, beginning) => {
  expect((await sentenceAbout(name))?.startsWith(beginning)).toBe(true);
});
