import { access, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { safeSurroundings, workingFolder } from "../src/common/surroundings";
import { ask, followed, isExecutable } from "../src/server/machine";

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

async function clauseOf(command: string, timeout?: number): Promise<string> {
  const answer = await ask(command, [], surroundings(), timeout);
  return answer.ok ? "an interpreter" : answer.clause;
}

describe("ask, where a real Python answers", () => {
  it("learns what the interpreter is", async () => {
    const answer = await ask(await script("python", 'exec python3 -I -S "$@"'), [], surroundings());
    expect(answer).toMatchObject({ ok: true, interpreter: { implementation: "CPython", lzma: true, hasServer: false } });
    const { command, version, tag } = answer.ok ? answer.interpreter : expect.unreachable();
    expect(path.isAbsolute(command)).toBe(true);
    expect(tag).toBe(`cpython-${version.replace(".", "")}`);
  });

  it("learns that the server is installed", async () => {
    await mkdir(path.join(folder, "site", "apo_server"), { recursive: true });
    await writeFile(path.join(folder, "site", "apo_server", "__init__.py"), "");
    const python = await pythonWith(path.join(folder, "site"));
    expect(await ask(python, [], surroundings())).toMatchObject({ interpreter: { hasServer: true } });
  });

  it("passes on the arguments of a launcher", async () => {
    const launcher = await script("py", '[ "$1" = -3 ] || exit 1; shift; exec python3 "$@"');
    expect(await ask(launcher, ["-3"], surroundings())).toMatchObject({ ok: true });
    expect(await ask(launcher, [], surroundings())).toMatchObject({ ok: false });
  });
});

describe("ask, where no Python answers", () => {
  it("says that there is no such file", async () => {
    expect(await clauseOf(path.join(folder, "none"))).toBe(`${folder}/none does not exist`);
  });

  it("says that it is no interpreter", async () => {
    expect(await clauseOf(await script("other", "exit 1"))).toMatch(/does not start as a Python/);
    expect(await clauseOf(await script("echo", "echo hello"))).toMatch(/does not start as a Python/);
    expect(await clauseOf(await script("plain", "", 0o644))).toMatch(/does not start as a Python/);
  });

  it("does not wait for ever", async () => {
    expect(await clauseOf(await script("slow", "exec sleep 20"), 100)).toMatch(/does not answer$/);
  });
});

describe("isExecutable", () => {
  it("tells a program from a file and from nothing", async () => {
    expect(await isExecutable(await script("program", ""))).toBe(true);
    expect(await isExecutable(await script("text", "", 0o644))).toBe(false);
    expect(await isExecutable(path.join(folder, "none"))).toBe(false);
  });
});

describe("a workspace that wants to get into the question", () => {
  it.each([
    ["PYTHONPATH", "."],
    ["PYTHONSTARTUP", "startup.py"],
    ["PYTHONUSERBASE", "relative"],
    ["PYTHONHOME", "."],
    ["PYTHONINSPECT", "1"],
    ["PYTHONWARNINGS", "error::json.Evil"],
    ["PYTHONBREAKPOINT", "json.evil"],
    ["PYTHONPLATLIBDIR", "lib"],
  ])("does not get there by %s", async (name, value) => {
    const ran = path.join(folder, "ran");
    for (const module of ["json", "platform", "sysconfig", "sitecustomize", "usercustomize", "startup"]) {
      await writeFile(path.join(folder, `${module}.py`), `open(${JSON.stringify(ran)}, "w")`);
    }
    const env = { ...process.env, [name]: value === "1" || value.startsWith("error") ? value : path.join(folder, value) };
    const safe = safeSurroundings(workingFolder(path.join(folder, "storage"), "/"), env);
    expect(await ask("python3", [], safe)).toMatchObject({ ok: true });
    await expect(access(ran)).rejects.toThrow();
  });
});

it("follows links, and leaves what is not there as it is", async () => {
  const real = await script("real", "");
  await symlink(real, path.join(folder, "link"));
  expect(await followed(path.join(folder, "link"))).toBe(await realpath(real));
  expect(await followed("/none/such")).toBe("/none/such");
});
