import { rmSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { beforeEach, expect, test, vi } from "vitest";

import type { Resolution } from "../src/server/launch";

const here = vi.hoisted(() => ({ trusted: true, found: {}, asked: 0 }));
vi.mock("vscode", () => ({
  workspace: {
    get isTrusted() {
      return here.trusted;
    },
    workspaceFolders: [{ uri: "file:///work" }],
  },
}));
vi.mock("../src/server/here", () => ({
  resolveHere: async () => {
    here.asked += 1;
    return Promise.resolve(here.found);
  },
  settingsOfPython: () => ({ userSetting: "", workspaceSetting: "" }),
}));
const { Finder } = await import("../src/server/finder");

let memory: Map<string, unknown>;
let python: string;

function window(): InstanceType<typeof Finder> {
  const state = {
    get: (key: string) => memory.get(key),
    update: async (key: string, value: unknown) => {
      memory.set(key, structuredClone(value));
      return Promise.resolve();
    },
  };
  const environments = { bundle: async () => Promise.resolve({ stamp: "1" }) };
  return new Finder({ workspaceState: state } as never, { cwd: "/", env: {} }, { environments } as never);
}

beforeEach(async () => {
  memory = new Map();
  python = path.join(await mkdtemp(path.join(tmpdir(), "apo-finder-")), "python3");
  writeFileSync(python, "", { mode: 0o755 });
  Object.assign(here, { trusted: true, asked: 0 });
  here.found = { found: true, launch: { source: "PATH", command: python, args: [] } } satisfies Resolution;
});

test("the next window knows the server without asking, once", async () => {
  expect(await window().remembered()).toBeUndefined();
  await window().resolve();
  const next = window();
  expect(await next.remembered()).toEqual(here.found);
  expect(here.asked).toBe(1);
  expect(await next.remembered(), "whoever restarts wants it looked for").toBeUndefined();
});

test("what was found under trust is not started without it", async () => {
  await window().resolve();
  here.trusted = false;
  expect(await window().remembered()).toBeUndefined();
});

test("an interpreter that is gone is looked for anew", async () => {
  await window().resolve();
  rmSync(python);
  expect(await window().remembered()).toBeUndefined();
});

test("what was not found is not remembered", async () => {
  await window().resolve();
  here.found = { found: false, trouble: { sentence: "No Python.", remedy: { kind: "install Python" } } } satisfies Resolution;
  await window().resolve();
  expect(await window().remembered()).toBeUndefined();
});

test("what rests on an agreement is not remembered: its file may have changed", async () => {
  here.found = { ...here.found, agreed: true };
  await window().resolve();
  expect(await window().remembered()).toBeUndefined();
});
