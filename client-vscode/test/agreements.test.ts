import { execFileSync } from "node:child_process";
import { appendFile, chmod, mkdir, mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { beforeEach, expect, test } from "vitest";

import { Agreements } from "../src/server/agreements";

let root: string;
let python: string;
let memory: Map<string, unknown>;

function agreements(): Agreements {
  const state = {
    get: (key: string, fallback: unknown) => memory.get(key) ?? fallback,
    update: async (key: string, value: unknown) => Promise.resolve(void memory.set(key, structuredClone(value))),
  };
  return new Agreements(state as never);
}

/** Answers the question about `file`. */
async function answer(file: string, allowed: boolean): Promise<void> {
  const about = await agreements().about(file);
  if (about.state !== "open") {
    throw new Error(`There is no question about ${file}: ${about.state}`);
  }
  await agreements().record(file, about.identity, allowed);
}

async function stateOf(file: string): Promise<string> {
  return (await agreements().about(file)).state;
}

beforeEach(async () => {
  memory = new Map();
  root = await mkdtemp(path.join(tmpdir(), "apo-agreements-"));
  python = path.join(root, ".venv", "bin", "python");
  await mkdir(path.dirname(python), { recursive: true });
  await writeFile(path.join(root, "real"), "one", { mode: 0o755 });
  await writeFile(path.join(root, "other"), "two", { mode: 0o755 });
  await writeFile(path.join(root, ".venv", "pyvenv.cfg"), "home = /usr/bin\n");
  await symlink(path.join(root, "real"), python);
});

test.each([
  [true, "agreed"],
  [false, "declined"],
])("an answer holds in every window: %j", async (allowed, state) => {
  expect(await stateOf(python)).toBe("open");
  await answer(python, allowed);
  expect(await stateOf(python)).toBe(state);
});

test("an answer holds for one path", async () => {
  await answer(python, true);
  const beside = path.join(root, ".venv", "bin", "python3");
  await symlink(path.join(root, "real"), beside);
  expect(await stateOf(beside)).toBe("open");
  await answer(beside, false);
  expect(await stateOf(python)).toBe("agreed");
});

test("a file that is only touched is still the same", async () => {
  await answer(python, true);
  await utimes(path.join(root, "real"), 1, 1);
  expect(await stateOf(python)).toBe("agreed");
});

const CHANGES: Readonly<Record<string, () => Promise<void>>> = {
  "the launcher is rewritten": async () => writeFile(path.join(root, "real"), "two"),
  "the launcher is rewritten, and its size and times restored": async () => {
    await writeFile(path.join(root, "real"), "eno");
    await utimes(path.join(root, "real"), 1, 1);
  },
  "the link leads to a file with other content": async () => {
    await rm(python);
    await symlink(path.join(root, "other"), python);
  },
  "the link leads to a copy elsewhere": async () => {
    await writeFile(path.join(root, "copy"), "one", { mode: 0o755 });
    await rm(python);
    await symlink(path.join(root, "copy"), python);
  },
  "the link becomes a file": async () => {
    await rm(python);
    await writeFile(python, "one", { mode: 0o755 });
  },
  "the folder is another one": async () => {
    await rename(path.join(root, ".venv"), path.join(root, "old"));
    await mkdir(path.dirname(python), { recursive: true });
    await symlink(path.join(root, "other"), python);
  },
  "pyvenv.cfg is rewritten": async () => writeFile(path.join(root, ".venv", "pyvenv.cfg"), "home = /tmp/evil\n"),
  "pyvenv.cfg grows": async () => appendFile(path.join(root, ".venv", "pyvenv.cfg"), "include-system-site-packages = true\n"),
  "pyvenv.cfg is gone": async () => rm(path.join(root, ".venv", "pyvenv.cfg")),
  "a pyvenv.cfg beside the launcher comes first": async () =>
    writeFile(path.join(root, ".venv", "bin", "pyvenv.cfg"), "home = /tmp/evil\n"),
};

test.each(Object.entries(CHANGES))("another question is asked when %s", async (_, change) => {
  await answer(python, true);
  await change();
  expect(await stateOf(python)).toBe("open");
});

const UNUSABLE: Readonly<Record<string, () => Promise<void>>> = {
  "is gone": async () => rm(python),
  "leads nowhere": async () => rm(path.join(root, "real")),
  "is a folder": async () => {
    await rm(python);
    await mkdir(python);
  },
  "is a device": async () => {
    await rm(python);
    await symlink("/dev/zero", python);
  },
  "is a FIFO": async () => {
    await rm(python);
    execFileSync("mkfifo", [python]);
  },
  "is huge": async () => truncate(path.join(root, "real"), 2 ** 40),
  "has a FIFO as its pyvenv.cfg": async () => {
    await rm(path.join(root, ".venv", "pyvenv.cfg"));
    execFileSync("mkfifo", [path.join(root, ".venv", "pyvenv.cfg")]);
  },
  "cannot be started": async () => chmod(path.join(root, "real"), 0o644),
};

test.each(Object.entries(UNUSABLE))("a file that %s is not asked about, agreed to or not", async (_, change) => {
  await answer(python, true);
  await change();
  expect(await stateOf(python)).toBe("missing");
});

test("a yes to a question holds for the file that was there when it was asked", async () => {
  const about = await agreements().about(python);
  await writeFile(path.join(root, "real"), "two");
  await agreements().record(python, about.state === "open" ? about.identity : "", true);
  expect(await stateOf(python)).toBe("open");
});
