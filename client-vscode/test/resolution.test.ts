import { describe, expect, it } from "vitest";

import type { Place } from "../src/server/place";
import { sameLaunch } from "../src/server/launch";
import { resolve } from "../src/server/resolution";
import { EVERYTHING, machine, type MachineFacts, PLACE } from "./facts";

describe("the order of the sources, without a bundled server", () => {
  it("starts the interpreter of the setting before all others", async () => {
    const resolution = await resolve({ ...PLACE, userSetting: "/opt/py/bin/python" }, machine(EVERYTHING));
    expect(resolution).toEqual({
      found: true,
      launch: { source: "setting", command: "/opt/py/bin/python", args: ["-P", "-m", "apo_server"] },
    });
  });

  it("takes the Python extension's interpreter next", async () => {
    expect(await resolve(PLACE, machine(EVERYTHING))).toMatchObject({
      launch: { source: "python extension", command: "/opt/conda/bin/python" },
    });
  });

  it("takes the workspace's .venv when nothing else has the server", async () => {
    const inside = "/code/shop/.venv/bin/python";
    const facts: MachineFacts = { ready: [inside], agreements: { [inside]: "agreed" } };
    expect(await resolve(PLACE, machine(facts))).toMatchObject({
      launch: { source: "workspace", command: "/code/shop/.venv/bin/python" },
    });
  });

  it("looks into the .venv of every folder of the workspace", async () => {
    const place = { ...PLACE, folders: ["/code/shop", "/code/help"] };
    const inside = "/code/help/.venv/bin/python";
    expect(await resolve(place, machine({ ready: [inside], agreements: { [inside]: "agreed" } }))).toMatchObject({
      launch: { command: "/code/help/.venv/bin/python" },
    });
  });

  it("takes the first program on PATH last, without arguments", async () => {
    const executables = ["/usr/bin/apo-language-server", "/usr/local/bin/apo-language-server"];
    expect(await resolve(PLACE, machine({ executables }))).toEqual({
      found: true,
      launch: { source: "PATH", command: "/usr/local/bin/apo-language-server", args: [] },
    });
  });

  it("never starts a program from a relative entry of PATH", async () => {
    const asking = machine({});
    await resolve({ ...PLACE, searchPath: "bin:.::/usr/bin" }, asking);
    expect(asking.asked.filter((file) => file.endsWith("apo-language-server"))).toEqual([
      "/usr/bin/apo-language-server",
    ]);
  });

  it("says in one sentence what to do when there is no server anywhere", async () => {
    const resolution = await resolve(PLACE, machine({}));
    expect(resolution).toMatchObject({ found: false });
    expect(resolution).toHaveProperty("trouble.sentence", expect.stringMatching(/pip install apo-language-server.*apo\.python/));
  });
});

describe("the setting apo.python", () => {
  it("binds: when it does not work, nothing else is tried and the reason is given", async () => {
    const asking = machine(EVERYTHING);
    expect(await resolve({ ...PLACE, userSetting: "/opt/other/python" }, asking)).toEqual({
      found: false,
      trouble: {
        sentence: "The interpreter in apo.python cannot run the APO language server: nothing in /opt/other/python.",
        remedy: { kind: "settings", setting: "apo.python" },
      },
    });
    expect(asking.asked).toEqual(["/opt/other/python"]);
  });

  it.each([
    ["~/py/bin/python", "/home/ada/py/bin/python"],
    ["${workspaceFolder}/../env/bin/python", "/code/shop/../env/bin/python"],
    ["  /opt/py/bin/python ", "/opt/py/bin/python"],
    ["/opt/~odd/python", "/opt/~odd/python"],
    ["python3.12", "/usr/bin/python3.12"],
  ])("reads %j as %j", async (setting, command) => {
    const asking = machine({ ready: [command], executables: [command] });
    expect(await resolve({ ...PLACE, userSetting: setting }, asking)).toMatchObject({ launch: { command } });
  });
});

describe("an untrusted workspace", () => {
  const untrusted = { ...PLACE, trusted: false };

  it("still finds a server outside the workspace", async () => {
    expect(await resolve(untrusted, machine({ executables: ["/usr/bin/apo-language-server"] }))).toMatchObject({
      launch: { source: "PATH" },
    });
  });

  it.each([
    ["a .venv", untrusted],
    ["the setting", { ...untrusted, userSetting: "${workspaceFolder}/.venv/bin/python" }],
    ["a detour in the setting", { ...untrusted, userSetting: "/usr/../code/shop/.venv/bin/python" }],
    ["PATH", { ...untrusted, searchPath: "/code/shop/bin" }],
    ["a link in the setting", { ...untrusted, userSetting: "/home/ada/tools/python" }],
    ["a link in PATH", { ...untrusted, searchPath: "/home/ada/tools" }],
    ["another name of the workspace", { ...untrusted, userSetting: "/data/shop/.venv/bin/python" }],
    ["a name that is looked for on PATH", { ...untrusted, userSetting: "python3", searchPath: "/code/shop/bin" }],
    ["a path from nowhere", { ...untrusted, userSetting: "../code/shop/.venv/bin/python" }],
  ])("touches no file inside the workspace, be it named by %s", async (_, place) => {
    const asking = machine({
      selected: ["/code/shop/.venv/bin/python"],
      ready: ["/code/shop/.venv/bin/python"],
      executables: ["/code/shop/bin/apo-language-server", "/home/ada/tools/apo-language-server"],
      links: { "/code/shop": "/data/shop", "/home/ada/tools": "/data/shop/bin" },
    });
    expect(await resolve(place, asking)).toMatchObject({ found: false });
    expect(asking.asked.filter((file) => !file.startsWith("/usr/"))).toEqual([]);
  });

  it("does not mistake a neighbour with a longer name for the workspace", async () => {
    const place = { ...untrusted, searchPath: "/code/shop-tools/bin" };
    expect(await resolve(place, machine({ executables: ["/code/shop-tools/bin/apo-language-server"] }))).toMatchObject({
      found: true,
    });
  });
});

describe("Windows", () => {
  const windows: Place = {
    ...PLACE,
    platform: "win32",
    searchPath: "C:\\Tools;bin;D:\\Python",
    folders: ["C:\\Code\\shop"],
  };

  it("uses its layout of environments and programs", async () => {
    const asking = machine({ executables: ["D:\\Python\\apo-language-server.exe"] });
    expect(await resolve(windows, asking)).toMatchObject({ launch: { command: "D:\\Python\\apo-language-server.exe" } });
    expect(asking.asked).toEqual([
      "C:\\Tools\\apo-language-server.exe",
      "D:\\Python\\apo-language-server.exe",
    ]);
  });

  it("knows the inside of an untrusted workspace whatever the case of its letters", async () => {
    const place = { ...windows, trusted: false, searchPath: "c:\\code\\SHOP\\bin;E:\\bin" };
    const asking = machine({});
    await resolve(place, asking);
    expect(asking.asked).toEqual(["E:\\bin\\apo-language-server.exe"]);
  });
});

describe("sameLaunch", () => {
  const launch = { source: "PATH", command: "a", args: ["-m", "x"] } as const;

  it("compares what is started, not who named it", () => {
    expect(sameLaunch(launch, { ...launch, source: "setting" })).toBe(true);
    expect(sameLaunch(launch, { ...launch, command: "b" })).toBe(false);
    expect(sameLaunch(launch, { ...launch, args: ["-m x"] })).toBe(false);
    expect(sameLaunch(launch, { ...launch, modules: "/m" })).toBe(false);
    expect(sameLaunch(launch, undefined)).toBe(false);
    expect(sameLaunch(undefined, undefined)).toBe(true);
  });
});
