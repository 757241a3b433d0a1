import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { isExecutable, objection, safeSurroundings } from "../src/server/machine";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "apo-client-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function script(name: string, body: string, mode = 0o755): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, `#!/bin/sh\n${body}\n`, { mode });
  return file;
}

/** A real Python whose module path has one more folder. */
async function pythonWith(modules: string): Promise<string> {
  return script("python", `PYTHONPATH='${modules}' exec python3 "$@"`);
}

function surroundings(): ReturnType<typeof safeSurroundings> {
  return safeSurroundings(tmpdir(), process.env);
}

describe("objection, asked of a real Python", () => {
  it("has none when the server is installed", async () => {
    await mkdir(path.join(folder, "site", "apo_server"), { recursive: true });
    await writeFile(path.join(folder, "site", "apo_server", "__init__.py"), "");
    expect(await objection(await pythonWith(path.join(folder, "site")), surroundings())).toBeUndefined();
  });

  it("names the interpreter in which the server is not installed", async () => {
    const python = await script("python", 'exec python3 -I -S "$@"');
    expect(await objection(python, surroundings())).toBe(`apo-language-server is not installed in ${python}`);
  });
});

describe("objection, where no Python answers", () => {
  it("says that the interpreter is too old", async () => {
    expect(await objection(await script("python", "exit 4"), surroundings())).toMatch(/older than Python 3\.10$/);
  });

  it("says that there is no such file", async () => {
    expect(await objection(path.join(folder, "none"), surroundings())).toBe(`${folder}/none does not exist`);
  });

  it("says that it is no interpreter", async () => {
    expect(await objection(await script("other", "exit 1"), surroundings())).toMatch(/does not start as a Python/);
    expect(await objection(await script("plain", "", 0o644), surroundings())).toMatch(/does not start as a Python/);
  });

  it("does not wait for ever", async () => {
    expect(await objection(await script("slow", "exec sleep 20"), surroundings(), 100)).toMatch(/does not answer$/);
  });
});

describe("isExecutable", () => {
  it("tells a program from a file and from nothing", async () => {
    expect(await isExecutable(await script("program", ""))).toBe(true);
    expect(await isExecutable(await script("text", "", 0o644))).toBe(false);
    expect(await isExecutable(path.join(folder, "none"))).toBe(false);
  });
});

it("starts Python away from the workspace and keeps the rest of the environment", () => {
  expect(safeSurroundings("/ext", { OPENAI_BASE_URL: "http://localhost:1" })).toEqual({
    cwd: "/ext",
    env: { OPENAI_BASE_URL: "http://localhost:1", PYTHONSAFEPATH: "1", PYTHONUTF8: "1" },
  });
});
