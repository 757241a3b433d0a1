/** A window and a machine, as facts. */
import type { Bundle } from "../src/environment/bundle";
import type { Interpreter } from "../src/environment/interpreter";
import type { Place } from "../src/server/place";
import type { Machine } from "../src/server/machine";

export const PLACE: Place = {
  platform: "linux",
  home: "/home/ada",
  searchPath: "/usr/local/bin:/usr/bin",
  trusted: true,
  folders: ["/code/shop"],
  userSetting: "",
  workspaceSetting: "",
};

export const INTERPRETER: Interpreter = {
  command: "",
  version: "3.12",
  implementation: "CPython",
  tag: "cpython-312",
  target: "linux-x64",
  lzma: true,
  hasServer: false,
};

export const BUNDLE: Bundle = {
  target: "linux-x64",
  pythons: ["3.11", "3.12"],
  serverWheel: "apo_language_server-1.0-py3-none-any.whl",
  wheels: "/ext/wheels",
  environments: "/storage/environments",
  stamp: "1.0-abcdef12",
  model: "01234567",
};

export interface MachineFacts {
  selected?: readonly string[];
  /** Interpreters in the Python extension that a setting of the workspace names. */
  selectedByWorkspace?: readonly string[];
  /** What the user has said of interpreters; all others that exist have an open question. */
  agreements?: Readonly<Record<string, "agreed" | "declined">>;
  /** Interpreters in which the server is installed. */
  ready?: readonly string[];
  executables?: readonly string[];
  /** Where links lead. */
  links?: Readonly<Record<string, string>>;
  /** What answers, and how it differs from {@link INTERPRETER}. */
  interpreters?: Readonly<Record<string, Partial<Interpreter>>>;
}

export function machine({
  selected = [],
  selectedByWorkspace = [],
  agreements = {},
  ready = [],
  interpreters = {},
  links = {},
  executables = Object.keys(interpreters),
}: MachineFacts): Machine & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    selectedInterpreters: () =>
      Promise.resolve([
        ...selected.map((command) => ({ command, byWorkspace: false })),
        ...selectedByWorkspace.map((command) => ({ command, byWorkspace: true })),
      ]),
    agreement: (file) => {
      const state = agreements[file] ?? (file in interpreters || ready.includes(file) ? "open" : "missing");
      return Promise.resolve(state === "open" ? { state, identity: `of ${file}` } : { state });
    },
    ask: (command) => {
      asked.push(command);
      const interpreter = interpreters[command] ?? (ready.includes(command) ? { hasServer: true } : undefined);
      return Promise.resolve(
        interpreter === undefined
          ? { ok: false, clause: `nothing in ${command}` }
          : { ok: true, interpreter: { ...INTERPRETER, command, ...interpreter } },
      );
    },
    isExecutable: (file) => {
      asked.push(file);
      return Promise.resolve(executables.includes(file));
    },
    followed: (file) => {
      const link = Object.keys(links).find((one) => file === one || file.startsWith(`${one}/`));
      return Promise.resolve(link === undefined ? file : `${links[link] ?? ""}${file.slice(link.length)}`);
    },
  };
}

export const EVERYTHING: MachineFacts = {
  selected: ["/opt/conda/bin/python"],
  ready: ["/opt/py/bin/python", "/opt/conda/bin/python", "/code/shop/.venv/bin/python"],
  executables: ["/usr/bin/apo-language-server"],
};
