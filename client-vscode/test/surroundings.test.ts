import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { ownSurroundings, safeSurroundings, workingFolder } from "../src/common/surroundings";

let storage: string;

beforeEach(() => {
  storage = mkdtempSync(path.join(tmpdir(), "apo-client-"));
});
afterEach(() => {
  rmSync(storage, { recursive: true });
});

describe("the working folder", () => {
  it("is made once, and is empty", () => {
    const folder = workingFolder(storage, "/ext");
    expect(workingFolder(storage, "/ext")).toBe(folder);
    expect(readdirSync(folder)).toEqual([]);
    expect(path.dirname(folder)).toBe(storage);
  });

  it("is the extension's own where none can be made", () => {
    const file = path.join(storage, "file");
    writeFileSync(file, "");
    expect(workingFolder(file, "/ext")).toBe("/ext");
    expect(existsSync(path.join(file, "cwd"))).toBe(false);
  });
});

it("starts Python away from the workspace and keeps the environment but for what steers Python", () => {
  const env = { OPENAI_BASE_URL: "http://localhost:1", PYTHONPATH: "/theirs", PYTHONSTARTUP: "/x.py", PYTHONHOME: "/old" };
  expect(safeSurroundings("/own", env)).toEqual({
    cwd: "/own",
    env: { OPENAI_BASE_URL: "http://localhost:1", PYTHONSAFEPATH: "1", PYTHONUTF8: "1" },
  });
});

it("keeps the folder of pip install --user, if it is a full path", () => {
  expect(safeSurroundings("/own", { PYTHONUSERBASE: "/home/ada/py" }).env).toMatchObject({ PYTHONUSERBASE: "/home/ada/py" });
  expect(safeSurroundings("/own", { PYTHONUSERBASE: "py" }).env).not.toHaveProperty("PYTHONUSERBASE");
});

it("lets the bundled server import its own modules and nothing that was set for other programs", () => {
  const env = { PATH: "/bin", PYTHONHOME: "/old", PYTHONSTARTUP: "/x.py", PYTHONPATH: "/theirs", PYTHONUSERBASE: "/user" };
  expect(ownSurroundings(safeSurroundings("/own", env), ["/storage/env", "/storage/model"])).toEqual({
    cwd: "/own",
    env: { PATH: "/bin", PYTHONPATH: "/storage/env:/storage/model", PYTHONNOUSERSITE: "1", PYTHONSAFEPATH: "1", PYTHONUTF8: "1" },
  });
});
