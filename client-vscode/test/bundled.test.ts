import { describe, expect, it } from "vitest";

import type { Place } from "../src/server/place";
import { resolve } from "../src/server/resolution";
import { BUNDLE, EVERYTHING, INTERPRETER, machine, PLACE } from "./facts";

describe("the bundled server", () => {
  const usr = "/usr/bin/python3";

  it("runs on the first Python of PATH, with nothing set", async () => {
    const folder = "/storage/environments/1.0-abcdef12-cpython-312";
    const asking = machine({ interpreters: { [usr]: {}, "/usr/bin/python": {} } });
    expect(await resolve(PLACE, asking, BUNDLE)).toEqual({
      found: true,
      launch: { source: "PATH", command: usr, args: ["-P", "-m", "apo_server"], modules: folder },
      setup: { kind: "unpack", interpreter: { ...INTERPRETER, command: usr }, folder },
    });
    expect(asking.asked).not.toContain("/usr/bin/python");
  });

  it("goes before a server that is installed somewhere", async () => {
    expect(await resolve(PLACE, machine({ ...EVERYTHING, interpreters: { [usr]: {} } }), BUNDLE)).toMatchObject({
      launch: { source: "python extension", command: "/opt/conda/bin/python", modules: expect.any(String) as string },
    });
  });

  it("gives way to the server that is installed in the interpreter of the setting", async () => {
    const resolution = await resolve({ ...PLACE, userSetting: "/opt/py/bin/python" }, machine(EVERYTHING), BUNDLE);
    expect(resolution).toEqual({
      found: true,
      launch: { source: "setting", command: "/opt/py/bin/python", args: ["-P", "-m", "apo_server"] },
    });
  });

  it("runs on the interpreter of the setting when no server is installed there", async () => {
    const asking = machine({ interpreters: { "/opt/bare/python": { version: "3.11", tag: "cpython-311" }, [usr]: {} } });
    expect(await resolve({ ...PLACE, userSetting: "/opt/bare/python" }, asking, BUNDLE)).toMatchObject({
      launch: { source: "setting", modules: "/storage/environments/1.0-abcdef12-cpython-311" },
    });
    expect(asking.asked).toEqual(["/opt/bare/python"]);
  });

  it.each([
    ["too old", { version: "3.9" }, /apo\.python cannot .* is Python 3\.9, which is older than 3\.11\.$/],
    ["another Python", { implementation: "PyPy" }, /is PyPy, and CPython is needed\.$/],
  ])("names the interpreter of the setting that is %s, and tries no other", async (_, facts, sentence) => {
    const asking = machine({ interpreters: { "/opt/x/python": facts, [usr]: {} } });
    expect(await resolve({ ...PLACE, userSetting: "/opt/x/python" }, asking, BUNDLE)).toMatchObject({
      found: false,
      trouble: { sentence: expect.stringMatching(sentence) as string, remedy: { kind: "settings" } },
    });
  });

  it("passes over what is too old, not CPython or no Python at all", async () => {
    const interpreters = {
      "/code/shop/.venv/bin/python": { version: "3.9" },
      "/usr/local/bin/python3": { implementation: "PyPy" },
      [usr]: {},
    };
    const facts = { selected: ["/opt/broken/python"], interpreters };
    expect(await resolve(PLACE, machine(facts), BUNDLE)).toMatchObject({ launch: { command: usr } });
  });

  it.each([
    ["a version without wheels", { version: "3.15", tag: "cpython-315" }],
    ["a build without the GIL", { tag: "cpython-312t" }],
    ["another platform", { target: "alpine-x64" }],
    ["a build that cannot unpack", { lzma: false }],
  ])("prefers an interpreter that has wheels to %s", async (_, odd) => {
    const asking = machine({ interpreters: { "/usr/local/bin/python3": odd, [usr]: {} } });
    expect(await resolve(PLACE, asking, BUNDLE)).toMatchObject({ launch: { command: usr }, setup: { kind: "unpack" } });
  });

  it("is installed over the network where no interpreter has wheels", async () => {
    const asking = machine({ interpreters: { [usr]: { version: "3.15", tag: "cpython-315" } } });
    const folder = "/storage/environments/1.0-abcdef12-cpython-315-pip-31f2aee4";
    expect(await resolve(PLACE, asking, BUNDLE)).toMatchObject({
      launch: { source: "PATH", command: `${folder}/bin/python`, args: ["-P", "-m", "apo_server"] },
      setup: { kind: "install", interpreter: { command: usr }, folder },
    });
  });

  it("starts the interpreter behind a launcher", async () => {
    const place: Place = { ...PLACE, platform: "win32", searchPath: "C:\\Windows", folders: [] };
    const interpreters = { "C:\\Windows\\py.exe": { command: "C:\\Python\\python.exe", target: "win32-x64" } };
    expect(await resolve(place, machine({ interpreters }), { ...BUNDLE, target: "win32-x64" })).toMatchObject({
      launch: { command: "C:\\Python\\python.exe", args: ["-P", "-m", "apo_server"] },
    });
  });

  it("looks for numbered names after the plain ones", async () => {
    const interpreters = { "/usr/bin/python3": { version: "3.8" }, "/usr/local/bin/python3.12": {} };
    expect(await resolve(PLACE, machine({ interpreters }), BUNDLE)).toMatchObject({
      launch: { command: "/usr/local/bin/python3.12" },
    });
  });

  it("asks what only opens a dialog on a Mac after all else", async () => {
    const place: Place = { ...PLACE, platform: "darwin", searchPath: "/usr/bin:/opt/homebrew/bin" };
    const interpreters = { [usr]: {}, "/opt/homebrew/bin/python3.12": {} };
    expect(await resolve(place, machine({ interpreters }), BUNDLE)).toMatchObject({
      launch: { command: "/opt/homebrew/bin/python3.12" },
    });
  });

  it("says that Python is missing, or which one is too old", async () => {
    const nothing = await resolve(PLACE, machine({}), BUNDLE);
    expect(nothing).toEqual({
      found: false,
      trouble: { sentence: "APO needs Python 3.11 or newer: none was found.", remedy: { kind: "install Python" } },
    });
    expect(await resolve(PLACE, machine({ interpreters: { [usr]: { version: "3.9" } } }), BUNDLE)).toHaveProperty(
      "trouble.sentence",
      "APO needs Python 3.11 or newer: /usr/bin/python3 is Python 3.9, which is older than 3.11.",
    );
  });

  it("starts no interpreter inside an untrusted workspace, not even one that another program stands for", async () => {
    const inside = "/code/shop/.venv/bin/python";
    const place = { ...PLACE, trusted: false, searchPath: "/code/shop/bin:/usr/bin" };
    const asking = machine({ selected: [inside], interpreters: { [inside]: {}, [usr]: { command: inside } } });
    expect(await resolve(place, asking, BUNDLE)).toMatchObject({ found: false });
    expect(asking.asked.filter((file) => file.startsWith("/code/shop/"))).toEqual([]);
  });
});
