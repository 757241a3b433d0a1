import { beforeEach, describe, expect, it, vi } from "vitest";

import type { Remedy } from "../src/environment/trouble";

const here = vi.hoisted(() => ({
  remote: undefined as string | undefined,
  document: {},
  shown: [] as string[][],
  executed: [] as unknown[][],
  registered: new Map<string, () => Promise<void>>(),
}));
vi.mock("vscode", () => {
  /** Whoever reads a message presses its last button. */
  const show = async (...words: string[]): Promise<string | undefined> => {
    here.shown.push(words);
    return Promise.resolve(words.length > 1 ? words.at(-1) : undefined);
  };
  return {
    commands: {
      registerCommand: (id: string, run: () => Promise<void>) => here.registered.set(id, run),
      executeCommand: async (...words: unknown[]) => Promise.resolve(void here.executed.push(words)),
      getCommands: async () => Promise.resolve(["apo.evaluate"]),
    },
    env: {
      get remoteName() {
        return here.remote;
      },
    },
    Uri: { parse: String },
    window: {
      showErrorMessage: show,
      showInformationMessage: show,
      get activeTextEditor() {
        return { document: here.document };
      },
    },
  };
});
const { offerRemedy, registerCommands } = await import("../src/common/commands");
const { COMMANDS } = await import("../src/common/commandIds");

beforeEach(() => {
  Object.assign(here, { remote: undefined, shown: [], executed: [] });
});

describe("what keeps the server from starting", () => {
  it.each<[Remedy, string, readonly unknown[]]>([
    [{ kind: "install Python" }, "Install Python", ["vscode.open", "https://www.python.org/downloads/"]],
    [{ kind: "settings", setting: "apo.python" }, "Open settings", ["workbench.action.openSettings", { query: "apo.python" }]],
    [{ kind: "settings", setting: "http.proxy" }, "Open settings", ["workbench.action.openSettings", { query: "http.proxy" }]],
    [{ kind: "try again" }, "Try again", [COMMANDS.restart]],
    [{ kind: "install model" }, "Try again", [COMMANDS.installModel]],
    [{ kind: "logs" }, "Open logs", [COMMANDS.showLogs]],
  ])("has one sentence and one button: %j", async (remedy, button, executed) => {
    await offerRemedy({ sentence: "It is so.", remedy });
    expect(here.shown).toEqual([["It is so.", button]]);
    expect(here.executed).toEqual([executed]);
  });

  it("leads to the settings of the machine where the window is a remote one", async () => {
    here.remote = "ssh-remote";
    await offerRemedy({ sentence: "It is so.", remedy: { kind: "settings", setting: "apo.python" } });
    expect(here.executed).toEqual([["workbench.action.openRemoteSettings", { query: "apo.python" }]]);
  });
});

describe("a command for the prompt that is edited", () => {
  const evaluate = async (scheme: string): Promise<void> => {
    here.document = { languageId: "dotprompt", fileName: "a.prompt", uri: { scheme, toString: () => `${scheme}:/a.prompt` } };
    registerCommands({ settled: async () => Promise.resolve() } as never);
    await here.registered.get(COMMANDS.evaluate)?.();
  };

  it("is handed to the server", async () => {
    await evaluate("file");
    expect(here.executed).toEqual([["apo.evaluate", "file:/a.prompt"]]);
  });

  it.each(["untitled", "vscode-vfs", "git"])("needs a file on this machine: %s", async (scheme) => {
    await evaluate(scheme);
    expect(here.shown).toEqual([["This prompt is no file on this machine yet: save it as one first.", "Save as…"]]);
    expect(here.executed).toEqual([["workbench.action.files.saveAs"]]);
  });
});
