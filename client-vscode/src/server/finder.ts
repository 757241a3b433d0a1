import { type ExtensionContext, type Memento, workspace } from "vscode";

import { askingSurroundings, type Surroundings } from "../common/surroundings";
import { isMade } from "../environment/make";
import type { Helpers } from "./helpers";
import { resolveHere, settingsOfPython } from "./here";
import { isExecutable } from "./machine";
import type { Resolution } from "./launch";

type Needed = Pick<Helpers, "environments" | "agreements" | "chosen" | "log">;

const MEMORY = "apo.server";

/** Finds the server, and remembers where: the next window starts it at once, and asks the interpreters behind it. */
export class Finder {
  readonly #memory: Memento;
  readonly #surroundings: Surroundings;
  readonly #with: Needed;
  #fresh = true;

  constructor(context: ExtensionContext, surroundings: Surroundings, helpers: Needed) {
    this.#memory = context.workspaceState;
    this.#surroundings = askingSurroundings(surroundings.cwd, surroundings.env);
    this.#with = helpers;
  }

  /** Where the server was in the last window, if the same was asked then and it is still there; only the first time. */
  async remembered(): Promise<Resolution | undefined> {
    const known = this.#fresh ? this.#memory.get<{ question: string; found: Resolution }>(MEMORY) : undefined;
    this.#fresh = false;
    if (known?.found.found !== true || known.question !== (await this.#question())) {
      return undefined;
    }
    const { launch, setup } = known.found;
    const there = (await isExecutable(launch.command)) && (setup === undefined || (await isMade(setup)));
    return there ? known.found : undefined;
  }

  /** Where the server is, as the settings, the Python extension and the machine say now. */
  async resolve(): Promise<Resolution> {
    const question = await this.#question();
    const { environments, agreements, chosen, log } = this.#with;
    const found = await resolveHere(this.#surroundings, await environments.bundle(), chosen, agreements, log);
    // What was agreed to may have changed when the next window opens: it is looked at again before it starts.
    const isKept = found.found && found.agreed !== true;
    await this.#memory.update(MEMORY, isKept ? { question, found } : undefined);
    return found;
  }

  /** All that the answer depends on, but for the machine. */
  async #question(): Promise<string> {
    const { stamp } = (await this.#with.environments.bundle()) ?? {};
    const folders = (workspace.workspaceFolders ?? []).map(({ uri }) => uri.toString());
    const named = settingsOfPython();
    return JSON.stringify([stamp ?? "", workspace.isTrusted, named, process.env["PATH"] ?? "", folders]);
  }
}
