import { readFile } from "node:fs/promises";

import { describe, expect, it, vi } from "vitest";

const manifest = JSON.parse(await readFile("package.json", "utf8")) as {
  dependencies: Record<string, string>;
  capabilities: {
    virtualWorkspaces: { supported: boolean; description: string };
    untrustedWorkspaces: { supported: string; restrictedConfigurations: string[] };
  };
  contributes: {
    commands: { command: string; title: string }[];
    configuration: { properties: Record<string, { scope: string; default: unknown }> };
    walkthroughs: { steps: { description: string; media: { markdown: string }; completionEvents: string[] }[] }[];
    languages: { id: string; extensions: string[] }[];
    snippets: { path: string }[];
  };
};

vi.mock("vscode", () => ({}));

const { COMMANDS } = await import("../src/common/commandIds");
const { settingsSnapshot } = await import("../src/common/settings");
const { properties } = manifest.contributes.configuration;

describe("the manifest agrees with the code", () => {
  it("declares the commands that are registered, and no id of the server", () => {
    const declared = manifest.contributes.commands.map(({ command }) => command);
    expect(declared.sort()).toEqual(Object.values(COMMANDS).sort());
    expect(declared.every((command) => command.startsWith("apo.client."))).toBe(true);
  });

  it("declares the settings that the server is given, with the same defaults", () => {
    const { trusted, ...defaults } = settingsSnapshot(
      { get: (_key: string, fallback?: unknown) => fallback, inspect: () => undefined },
      true,
      true,
    );
    expect(trusted).toBe(true);
    const declared = Object.entries(properties)
      .filter(([key]) => !["apo.baseUrl", "apo.trace.server"].includes(key))
      .map(([key, { default: value }]) => [key.replace("apo.", ""), value]);
    expect(Object.fromEntries(declared)).toEqual(defaults);
  });
});

describe("the walkthrough", () => {
  const steps = manifest.contributes.walkthroughs.flatMap((walkthrough) => walkthrough.steps);

  it.each(steps)("shows a page that is there and runs commands that exist: $media.markdown", async (step) => {
    expect(await readFile(step.media.markdown, "utf8")).not.toBe("");
    const linked = [...step.description.matchAll(/\(command:([^)]+)\)/g)].map(([, command]) => command);
    const named = [...linked, ...step.completionEvents.map((event) => event.replace("onCommand:", ""))];
    expect(named.filter((command) => !Object.values<string | undefined>(COMMANDS).includes(command))).toEqual([]);
  });
});

describe("trust", () => {
  it("lets only the user consent", () => {
    expect(properties["apo.consent"]?.scope).toBe("application");
  });

  it("lets only the user say where the key goes", () => {
    expect(properties["apo.baseUrl"]?.scope).toBe("application");
  });

  it("reads nothing as the user's own that a container can set, but for what settingsSnapshot leaves out there", () => {
    const own = ["apo.consent", "apo.budget", "apo.workspaceBudget", "apo.baseUrl", "apo.cacheDir", "apo.keep"];
    expect(own.map((key) => properties[key]?.scope)).toEqual(own.map(() => "application"));
  });

  it("lets only the user say where results are kept", () => {
    expect(properties["apo.cacheDir"]?.scope).toBe("application");
  });

  it("ignores what an untrusted workspace sets, except how much is traced", () => {
    const { supported, restrictedConfigurations } = manifest.capabilities.untrustedWorkspaces;
    expect(supported).toBe("limited");
    const settable = Object.keys(properties).filter((key) => properties[key]?.scope !== "application");
    expect(settable.filter((key) => !restrictedConfigurations.includes(key))).toEqual(["apo.trace.server"]);
  });
});

describe("what the reader is told", () => {
  it("names every setting, and every command of the palette", async () => {
    const text = await readFile("README.md", "utf8");
    const hidden = ["Apply Candidate", "Compare Candidate with Prompt"];
    const titles = manifest.contributes.commands.map(({ title }) => title).filter((title) => !hidden.includes(title));
    expect(Object.keys(properties).filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
    expect(titles.filter((title) => !text.includes(`| APO: ${title} |`))).toEqual([]);
  });

  it("is one sentence where a workspace is on no disk", () => {
    const { supported, description } = manifest.capabilities.virtualWorkspaces;
    expect(supported).toBe(false);
    expect(description).toMatch(/^[^.]+\.$/);
  });
});

it("carries nothing that could report what the user does", () => {
  expect(Object.keys(manifest.dependencies).sort()).toEqual(["@vscode/python-extension", "vscode-languageclient"]);
});

it("packages the snippets that it names", async () => {
  const packaged = await readFile(".vscodeignore", "utf8");
  for (const { path } of manifest.contributes.snippets) {
    expect(packaged).toContain(path.replace("./", "!"));
    expect(JSON.parse(await readFile(path, "utf8"))).not.toEqual({});
  }
});

it("registers .prompt as dotprompt", () => {
  expect(manifest.contributes.languages).toEqual([
    expect.objectContaining({ id: "dotprompt", extensions: [".prompt"] }),
  ]);
});
