import { describe, expect, it } from "vitest";

import { areSettingsOwn, type Settings, settingsSnapshot } from "../src/common/settings";

interface Layers {
  user?: Record<string, unknown>;
  workspace?: Record<string, unknown>;
}

/** A configuration in which the workspace wins over the user, as in VS Code. */
function configuration({ user = {}, workspace = {} }: Layers): Parameters<typeof settingsSnapshot>[0] {
  return {
    get: (key: string, fallback?: unknown) => workspace[key] ?? user[key] ?? fallback,
    inspect: <T>(key: string) => ({
      key,
      globalValue: user[key] as T,
      workspaceValue: workspace[key] as T,
    }),
  };
}

function snapshot(layers: Layers, trusted = true, own = true): Settings {
  return settingsSnapshot(configuration(layers), trusted, own);
}

describe("settingsSnapshot", () => {
  it("has every setting, with careful defaults", () => {
    expect(snapshot({})).toEqual({
      background: "gradients",
      consent: false,
      budget: {},
      workspaceBudget: {},
      model: "",
      optimizer: {},
      cacheDir: "",
      keep: "all",
      python: "",
      trusted: true,
    });
  });

  it("passes on what is set", () => {
    const budget = { usd: 0.5, calls: 100 };
    expect(snapshot({ workspace: { background: "off" }, user: { model: "openai/gpt-4.1", budget } })).toMatchObject({
      background: "off",
      budget,
      model: "openai/gpt-4.1",
    });
  });

  it("takes consent from the user, never from the workspace", () => {
    expect(snapshot({ user: { consent: true } }).consent).toBe(true);
    expect(snapshot({ workspace: { consent: true } }).consent).toBe(false);
    expect(snapshot({ user: { consent: "yes" } }).consent).toBe(false);
  });

  it("takes what is kept from the user, never from the workspace", () => {
    expect(snapshot({ user: { keep: "nothing" }, workspace: { keep: "all" } }).keep).toBe("nothing");
    expect(snapshot({ workspace: { keep: "nothing" } }).keep).toBe("all");
  });

  it("takes the caps of a run from the user, never from the workspace", () => {
    const raised = { user: { budget: { calls: 9 } }, workspace: { budget: { calls: 99 } } };
    expect(snapshot(raised).budget).toEqual({ calls: 9 });
    expect(snapshot({ workspace: { budget: { calls: 99 } } }).budget).toEqual({});
  });

  it("takes what may leave in a day from the user, never from the workspace", () => {
    expect(snapshot({ user: { workspaceBudget: { calls: 9 } } }).workspaceBudget).toEqual({ calls: 9 });
    expect(snapshot({ workspace: { workspaceBudget: { calls: 9999 } } }).workspaceBudget).toEqual({});
  });

  it("takes where results are kept from the user, never from the workspace", () => {
    expect(snapshot({ user: { cacheDir: "/mine" }, workspace: { cacheDir: "/theirs" } }).cacheDir).toBe("/mine");
    expect(snapshot({ workspace: { cacheDir: "/theirs" } }).cacheDir).toBe("");
  });

  it("names no model of the workspace as the user's own", () => {
    const theirs = { model: "embedded//etc/x", optimizer: { model: "embedded//etc/y" } };
    expect(snapshot({ workspace: theirs })).toMatchObject({ model: "", optimizer: {} });
  });

  it("takes no models of a container for the user's own", () => {
    const user = { model: "embedded//etc/x", optimizer: { model: "embedded//etc/y" } };
    expect(snapshot({ user }, true, false)).toMatchObject({ model: "", optimizer: {} });
    expect(snapshot({ user }, true, true)).toMatchObject(user);
  });

  it.each([
    [undefined, true],
    ["wsl", true],
    ["ssh-remote", true],
    ["dev-container", false],
    ["attached-container", false],
    ["codespaces", false],
    ["something-new", false],
  ])("knows whose settings those of the remote %s are", (remote, own) => {
    expect(areSettingsOwn(remote)).toBe(own);
  });

  it("tells the server when the workspace is not trusted", () => {
    expect(snapshot({}, false).trusted).toBe(false);
  });
});
