import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import {
  askingSurroundings,
  installingSurroundings,
  ownSurroundings,
  safeSurroundings,
  workingFolder,
} from "../src/common/surroundings";

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

describe("what is started to ask or to install", () => {
  const keys = { OPENAI_API_KEY: "k", AWS_SECRET_ACCESS_KEY: "k", GITHUB_TOKEN: "k", APO_MODEL: "m", MY_PATH: "k" };
  const own = { PYTHONSAFEPATH: "1", PYTHONUTF8: "1" };

  it("sees no key, no proxy and no index when it is asked", () => {
    const basic = { Path: "/bin", HOME: "/home/ada", LC_ALL: "C", PYTHONUSERBASE: "/home/ada/py" };
    const env = { ...basic, ...keys, HTTPS_PROXY: "http://ada:pw@proxy", PIP_INDEX_URL: "https://ada:pw@index", PYTHONPATH: "/x" };
    expect(askingSurroundings("/own", env)).toEqual({ cwd: "/own", env: { ...basic, ...own } });
  });

  it("sees the way to the index, and no key, when it installs", () => {
    const way = { PATH: "/bin", https_proxy: "http://proxy", PIP_INDEX_URL: "https://index", SSL_CERT_FILE: "/ca.pem" };
    expect(installingSurroundings("/own", { ...way, ...keys })).toEqual({ cwd: "/own", env: { ...way, ...own } });
  });
});
