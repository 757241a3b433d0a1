import { PythonExtension } from "@vscode/python-extension";
import { type Disposable, EventEmitter, extensions, type LogOutputChannel, Uri, workspace } from "vscode";

import { within } from "../server/process";

const EXTENSION_ID = "ms-python.python";
/** An extension that is still looking for interpreters keeps the server waiting no longer. */
const PATIENCE_MS = 30_000;

/** What is chosen in the Python extension. */
export class ChosenInterpreters implements Disposable {
  readonly #news = new EventEmitter<void>();
  #listening: Disposable | undefined;

  /** Told whenever another interpreter is chosen there, from the first question on. */
  readonly onChange = this.#news.event;

  /** The interpreters, one per folder; none where that extension is missing, broken or too slow. */
  async of(folders: readonly string[], log: LogOutputChannel): Promise<readonly string[]> {
    if (extensions.getExtension(EXTENSION_ID) === undefined) {
      return [];
    }
    try {
      return await within(this.#ask(folders), PATIENCE_MS, "It did not answer in time.");
    } catch (error) {
      log.warn("The Python extension did not name an interpreter:", error);
      return [];
    }
  }

  dispose(): void {
    this.#listening?.dispose();
    this.#news.dispose();
  }

  async #ask(folders: readonly string[]): Promise<readonly string[]> {
    const { environments } = await PythonExtension.api();
    this.#listening ??= environments.onDidChangeActiveEnvironmentPath(() => {
      this.#news.fire();
    });
    const resources = folders.length === 0 ? [undefined] : folders.map((folder) => Uri.file(folder));
    const interpreters = await Promise.all(
      resources.map(async (resource) => {
        const active = environments.getActiveEnvironmentPath(resource);
        if (!workspace.isTrusted) {
          // To resolve an environment is to start its interpreter, which may lie in the workspace.
          return active.path;
        }
        return (await environments.resolveEnvironment(active))?.executable.uri?.fsPath;
      }),
    );
    return [...new Set(interpreters.filter((interpreter) => interpreter !== undefined))];
  }
}
