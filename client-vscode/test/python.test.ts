import { afterEach, beforeEach, expect, test, vi } from "vitest";

interface Fake {
  isActive: boolean;
  exports: unknown;
  activate: () => Promise<void>;
}
const here = vi.hoisted(() => ({ extension: undefined as Fake | undefined, trusted: true, setting: {} }));
vi.mock("vscode", () => ({
  extensions: { getExtension: () => here.extension },
  EventEmitter: class {
    readonly #listeners: (() => void)[] = [];
    event = (listener: () => void): void => void this.#listeners.push(listener);
    fire = (): void => {
      for (const listener of this.#listeners) {
        listener();
      }
    };
    dispose = (): void => undefined;
  },
  Uri: { file: (fsPath: string) => ({ fsPath }) },
  workspace: {
    get isTrusted() {
      return here.trusted;
    },
    getConfiguration: (section: string) => ({
      inspect: (key: string) => (`${section}.${key}` === "python.defaultInterpreterPath" ? here.setting : undefined),
    }),
  },
}));
vi.mock("@vscode/python-extension", () => ({
  PythonExtension: {
    api: async () => {
      await here.extension?.activate();
      return here.extension?.exports;
    },
  },
}));
const { ChosenInterpreters } = await import("../src/common/python");

const warned: string[] = [];
const log = { warn: (sentence: string) => warned.push(sentence) } as never;

/** The Python extension, which has chosen an interpreter per folder; `choose` is another choice of the user's. */
function installed(chosen: Record<string, string>, activate = async (): Promise<void> => Promise.resolve()): { choose: () => void } {
  const listeners: (() => void)[] = [];
  const environments = {
    getActiveEnvironmentPath: (folder: { fsPath: string } | undefined) => ({ path: chosen[folder?.fsPath ?? ""] ?? "/none" }),
    resolveEnvironment: vi.fn(async ({ path: fsPath }: { path: string }) =>
      Promise.resolve(fsPath === "/none" ? undefined : { executable: { uri: { fsPath } } }),
    ),
    onDidChangeActiveEnvironmentPath: (listener: () => void) => {
      listeners.push(listener);
      return { dispose: () => undefined };
    },
  };
  here.extension = { isActive: false, exports: { environments }, activate };
  return { choose: () => { listeners.forEach((listener) => { listener(); }); } };
}

beforeEach(() => {
  here.extension = undefined;
  here.trusted = true;
  here.setting = {};
  warned.length = 0;
});

afterEach(() => {
  vi.useRealTimers();
});

test("nothing is chosen where there is no Python extension", async () => {
  expect(await new ChosenInterpreters().of(["/a"], log)).toEqual([]);
  expect(warned).toEqual([]);
});

test("each folder has its interpreter, and the same one counts once", async () => {
  installed({ "/a": "/py/one", "/b": "/py/two", "/c": "/py/one" });
  expect(await new ChosenInterpreters().of(["/a", "/b", "/c", "/d"], log)).toEqual([
    { command: "/py/one", byWorkspace: false },
    { command: "/py/two", byWorkspace: false },
  ]);
});

test.each([
  ["in an untrusted workspace", "/py/one", false, {}, false],
  ["for an interpreter in the workspace", "/a/.venv/bin/python", true, {}, false],
  ["for what the settings of the workspace may name", "/py/one", true, { workspaceValue: "${env:HOME}/one" }, true],
  ["for what the settings of a folder may name", "/py/one", true, { workspaceFolderValue: "/py/one" }, true],
])("the extension is not made to start an interpreter %s", async (_, command, trusted, setting, byWorkspace) => {
  installed({ "/a": command });
  Object.assign(here, { trusted, setting });
  expect(await new ChosenInterpreters().of(["/a"], log)).toEqual([{ command, byWorkspace }]);
  const { environments } = here.extension?.exports as { environments: { resolveEnvironment: unknown } };
  expect(environments.resolveEnvironment).not.toHaveBeenCalled();
});

test("another choice is told once however often was asked, also by an extension that slept", async () => {
  const { choose } = installed({ "": "/py/one" });
  const chosen = new ChosenInterpreters();
  const told = vi.fn();
  chosen.onChange(told);
  await chosen.of([], log);
  await chosen.of([], log);
  choose();
  expect(told).toHaveBeenCalledTimes(1);
});

test("an extension that is broken, or never answers, keeps nobody waiting", async () => {
  installed({}, async () => Promise.reject(new Error("broken")));
  expect(await new ChosenInterpreters().of([], log)).toEqual([]);
  vi.useFakeTimers();
  installed({}, async () => new Promise(() => undefined));
  const asked = new ChosenInterpreters().of([], log);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await asked).toEqual([]);
  expect(warned).toHaveLength(2);
});
