import { readFile } from "node:fs/promises";

import { expect, test, vi } from "vitest";

const SECRET = "sk-canary-0123456789";
const here = vi.hoisted(() => ({ content: "" }));
vi.mock("vscode", () => ({
  version: "1.99.0",
  env: { appName: "Code", remoteName: undefined },
  window: { showTextDocument: async () => Promise.resolve() },
  workspace: {
    isTrusted: true,
    workspaceFolders: [{ uri: `file:///${SECRET}` }],
    getConfiguration: () => ({
      get: (name: string) => (["background", "keep", "trace.server"].includes(name) ? "as it is" : SECRET),
      inspect: () => ({ globalValue: SECRET }),
    }),
    openTextDocument: async ({ content }: { content: string }) => {
      here.content = content;
      return Promise.resolve({});
    },
  },
}));
const { openProblemReport } = await import("../src/problem/report");

test("a problem report names every setting, and of those that tell of the user's work no value", async () => {
  const { version, contributes } = JSON.parse(await readFile("package.json", "utf8")) as {
    version: string;
    contributes: { configuration: { properties: Record<string, unknown> } };
  };
  const launch = { source: "PATH", command: `/${SECRET}/python`, args: [] } as const;
  await openProblemReport({ packageJSON: { version } } as never, { kind: "running", launch, version: "9.9", trusted: true });
  const missing = Object.keys(contributes.configuration.properties).filter((name) => !here.content.includes(`- ${name}: `));
  expect(missing).toEqual([]);
  expect(here.content).toContain("- server: 9.9");
  expect(here.content).not.toContain(SECRET);
});
