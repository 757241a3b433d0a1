/** Whose interpreter is started: the user's without a question, the workspace's after one. */
import { describe, expect, it } from "vitest";

import type { Place } from "../src/server/place";
import { resolve } from "../src/server/resolution";
import { BUNDLE, machine, type MachineFacts, PLACE } from "./facts";

const INSIDE = "/code/shop/.venv/bin/python";
const USR = "/usr/bin/python3";
const LINKS = { "/code/shop": "/data/shop", "/home/ada/tools": "/data/shop/bin" };

interface Attack {
  readonly place?: Partial<Place>;
  readonly facts?: MachineFacts;
  /** What the question is about; undefined where there is none. */
  readonly about?: string;
}

/** Ways in which a trusted workspace offers a program of its own, with no other Python on the machine. */
const ATTACKS: Readonly<Record<string, Attack>> = {
  "a .venv": { about: INSIDE },
  "a .venv of the second folder": {
    place: { folders: ["/code/help", "/code/shop"] },
    about: INSIDE,
  },
  "a choice in the Python extension": {
    facts: { selected: ["/code/shop/env/bin/python"] },
    about: "/code/shop/env/bin/python",
  },
  "python.defaultInterpreterPath that leads outside": {
    facts: { selectedByWorkspace: ["/opt/evil/python"] },
    about: "/opt/evil/python",
  },
  "a link outside that leads inside": {
    facts: { selected: ["/home/ada/tools/python"] },
    about: "/home/ada/tools/python",
  },
  "another name of the workspace": {
    facts: { selected: ["/data/shop/env/bin/python"] },
    about: "/data/shop/env/bin/python",
  },
  "a detour": {
    facts: { selected: ["/usr/../code/shop/env/bin/python"] },
    about: "/usr/../code/shop/env/bin/python",
  },
  "apo.python of the workspace": {
    place: { workspaceSetting: "${workspaceFolder}/bin/python" },
    about: "/code/shop/bin/python",
  },
  "apo.python of the workspace that leads outside": {
    place: { workspaceSetting: "/opt/evil/python" },
    about: "/opt/evil/python",
  },
  "apo.python of the workspace below the home folder": {
    place: { workspaceSetting: "~/Downloads/python" },
    about: "/home/ada/Downloads/python",
  },
  "apo.python of the workspace before that of the user": {
    place: { workspaceSetting: "/opt/evil/python", userSetting: USR },
    about: "/opt/evil/python",
  },
  "a user's apo.python that names a file in every workspace": {
    place: { userSetting: "${workspaceFolder}/bin/python" },
    about: "/code/shop/bin/python",
  },
  "a folder of the workspace on PATH": { place: { searchPath: "/code/shop/bin" }, facts: { executables: ["/code/shop/bin/python3"] }, about: INSIDE },
  "a link on PATH": { place: { searchPath: "/home/ada/tools" }, facts: { executables: ["/home/ada/tools/python3"] }, about: INSIDE },
};

describe.each([["without a bundled server", undefined], ["with one", BUNDLE]])("a trusted workspace, %s", (_, bundle) => {
  it.each(Object.entries(ATTACKS))("starts nothing before a yes: %s", async (_name, { place, facts, about }) => {
    const ready = [INSIDE, ...(about === undefined ? [] : [about])];
    const asking = machine({ links: LINKS, ready, ...facts });
    const resolution = await resolve({ ...PLACE, searchPath: "", ...place }, asking, bundle);
    expect(resolution).toEqual({
      found: false,
      trouble: {
        sentence: `Run the language server with this workspace's Python (${about ?? ""})? It gets your API key.`,
        remedy: { kind: "agree", file: about, identity: `of ${about ?? ""}` },
      },
    });
    expect(asking.asked).toEqual([]);
  });

  it.each(Object.entries(ATTACKS))("starts it after a yes, and looks again each time: %s", async (_name, { place, facts, about }) => {
    const file = about ?? "";
    const asking = machine({ links: LINKS, ready: [INSIDE, file], agreements: { [file]: "agreed" }, ...facts });
    expect(await resolve({ ...PLACE, searchPath: "", ...place }, asking, bundle)).toMatchObject({
      launch: { command: file },
      agreed: true,
    });
    expect(asking.asked).toEqual([file]);
  });

  it.each(Object.entries(ATTACKS))("never starts it after a no: %s", async (_name, { place, facts, about }) => {
    const file = about ?? "";
    const agreements = { [INSIDE]: "declined", [file]: "declined" } as const;
    const asking = machine({ links: LINKS, ready: [INSIDE, file], agreements, ...facts });
    const resolution = await resolve({ ...PLACE, searchPath: "", ...place }, asking, bundle);
    expect(resolution).not.toHaveProperty("trouble.remedy.kind", "agree");
    expect(asking.asked.filter((one) => one !== USR)).toEqual([]);
  });

  it.each(Object.entries(ATTACKS))("is not asked about while it is untrusted: %s", async (_name, { place, facts, about }) => {
    const asking = machine({ links: LINKS, ready: [INSIDE, about ?? ""], ...facts });
    const resolution = await resolve({ ...PLACE, searchPath: "", ...place, trusted: false }, asking, bundle);
    expect(resolution).not.toHaveProperty("trouble.remedy.kind", "agree");
    expect(asking.asked.filter((one) => one !== USR)).toEqual([]);
  });
});

describe("no question is asked", () => {
  const interpreters = { [INSIDE]: {}, [USR]: {} };

  it.each<[string, MachineFacts]>([
    ["a .venv", { interpreters }],
    ["a .venv that is agreed to", { interpreters, agreements: { [INSIDE]: "agreed" } }],
    ["a choice in the Python extension", { selected: [INSIDE], interpreters }],
    ["a setting of the Python extension", { selectedByWorkspace: [INSIDE], interpreters }],
    ["one that needs no network", { interpreters: { ...interpreters, [USR]: { version: "3.15", tag: "cpython-315" } } }],
  ])("where an interpreter outside will do: it goes before %s", async (_, facts) => {
    const asking = machine(facts);
    expect(await resolve(PLACE, asking, BUNDLE)).toMatchObject({ found: true, setup: { interpreter: { command: USR } } });
    expect(asking.asked).not.toContain(INSIDE);
  });

  it("where the user's own settings name exactly that file", async () => {
    for (const workspaceSetting of ["", INSIDE, "${workspaceFolder}/.venv/bin/python"]) {
      const place = { ...PLACE, userSetting: INSIDE, workspaceSetting };
      expect(await resolve(place, machine({ interpreters }), BUNDLE)).toMatchObject({ launch: { command: INSIDE } });
    }
  });

  it("about a file that does not exist", async () => {
    const place = { ...PLACE, workspaceSetting: "${workspaceFolder}/env/bin/python" };
    expect(await resolve(place, machine({}), BUNDLE)).toHaveProperty(
      "trouble.sentence",
      "The interpreter in apo.python cannot run the APO language server: /code/shop/env/bin/python does not exist.",
    );
  });

  it("about a name of the workspace that is not on PATH", async () => {
    const asking = machine({});
    const resolution = await resolve({ ...PLACE, workspaceSetting: "bin/python" }, asking, BUNDLE);
    expect(resolution).toHaveProperty("trouble.sentence", expect.stringMatching(/bin\/python does not exist\.$/));
    expect(asking.asked).toEqual([]);
  });
});

describe("a name that is looked for on PATH", () => {
  const place = { ...PLACE, searchPath: "/code/shop/bin:bin:/home/ada/tools:/usr/bin", userSetting: "python3" };

  it.each([[true], [false]])("is none of the workspace's files; trusted: %j", async (trusted) => {
    const executables = ["/code/shop/bin/python3", "/home/ada/tools/python3", USR];
    const asking = machine({ links: LINKS, executables, interpreters: { [USR]: {} } });
    expect(await resolve({ ...place, trusted }, asking, BUNDLE)).toMatchObject({ launch: { command: USR } });
    expect([...new Set(asking.asked)]).toEqual([USR]);
  });

  it.each([["userSetting"], ["workspaceSetting"]])("is not left to the system when it is only in the workspace: %s", async (setting) => {
    const executables = ["/code/shop/bin/python3"];
    const asking = machine({ links: LINKS, executables, interpreters: { python3: {} } });
    const resolution = await resolve({ ...place, userSetting: "", [setting]: "python3" }, asking, BUNDLE);
    expect(resolution).toHaveProperty("trouble.sentence", expect.stringMatching(/: python3 does not exist\.$/));
    expect(asking.asked).not.toContain("python3");
  });
});

describe("a launcher", () => {
  const evil = "/code/shop/evil/python";

  it.each<[string, Partial<Place>, MachineFacts]>([
    ["on PATH", {}, { interpreters: { [USR]: { command: evil } } }],
    ["in a .venv", {}, { interpreters: { [INSIDE]: { command: evil } }, agreements: { [INSIDE]: "agreed" } }],
    ["in apo.python", { userSetting: "/opt/python" }, { interpreters: { "/opt/python": { command: evil } } }],
    [
      "in the workspace's apo.python",
      { workspaceSetting: INSIDE },
      { interpreters: { [INSIDE]: { command: evil } }, agreements: { [INSIDE]: "agreed" } },
    ],
  ])("%s cannot hand over to a file that nobody agreed to", async (_, place, facts) => {
    expect(await resolve({ ...PLACE, ...place }, machine(facts), BUNDLE)).toMatchObject({ found: false });
  });
});
