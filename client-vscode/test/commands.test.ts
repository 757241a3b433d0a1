import { beforeEach, describe, expect, it, vi } from "vitest";

import { type Remedy, workspacePython } from "../src/environment/trouble";

const here = vi.hoisted(() => ({
  remote: undefined as string | undefined,
  answer: undefined as string | undefined,
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
      showWarningMessage: async (...words: string[]) => {
        here.shown.push(words);
        return Promise.resolve(here.answer);
      },
      showInformationMessage: show,
      get activeTextEditor() {
        return { document: here.document };
      },
    },
  };
});
const { offerRemedy, registerCommands } = await import("../src/common/commands");
const { COMMANDS } = await import("../src/common/commandIds");

const nobodyIsAsked = { record: async (): Promise<void> => Promise.reject(new Error("a question")) };

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
    await offerRemedy({ sentence: "It is so.", remedy }, nobodyIsAsked);
    expect(here.shown).toEqual([["It is so.", button]]);
    expect(here.executed).toEqual([executed]);
  });

  it("leads to the settings of the machine where the window is a remote one", async () => {
    here.remote = "ssh-remote";
    await offerRemedy({ sentence: "It is so.", remedy: { kind: "settings", setting: "apo.python" } }, nobodyIsAsked);
    expect(here.executed).toEqual([["workbench.action.openRemoteSettings", { query: "apo.python" }]]);
  });
});

describe("the question about the workspace's Python", () => {
  it.each([
    ["Use it", [true]],
    ["Use another", [false]],
    [undefined, []],
  ])("takes %j as an answer for exactly that file", async (answer, allowed) => {
    here.answer = answer;
    const taken: unknown[] = [];
    await offerRemedy(workspacePython("/code/shop/.venv/bin/python", "an identity"), {
      record: async (...words) => Promise.resolve(void taken.push(words)),
    });
    const sentence = "Run the language server with this workspace's Python (/code/shop/.venv/bin/python)? It gets your API key.";
    expect(here.shown).toEqual([[sentence, "Use it", "Use another"]]);
    expect(taken).toEqual(allowed.map((yes) => ["/code/shop/.venv/bin/python", "an identity", yes]));
    expect(here.executed).toEqual(allowed.map(() => [COMMANDS.restart]));
  });

  it.each([
    ["a link that runs a command", "/code/[Use it](command:workbench.action.quit)/python", /\(\/code\/\[Use it\] \(command:/],
    ["letters that reorder the line", "/code/\u202Enohtyp", /\/code\/\\u\{202e\}nohtyp/],
    ["lines of its own", "/code/\n\nAPO checked it", /\/code\/\\u\{a\}\\u\{a\}APO/],
    ["a name that fills the message", `/code/${"x".repeat(2000)}/python`, /^.{0,180}It gets your API key\.$/],
  ])("shows the path as text, be it %s", (_, file, sentence) => {
    expect(workspacePython(file, "").sentence).toMatch(sentence);
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
