import { PythonExtension } from "@vscode/python-extension";
import { type Disposable, EventEmitter, extensions, type LogOutputChannel, Uri, workspace } from "vscode";

import { followed } from "../server/machine";
import { within } from "../server/process";
import { isInWorkspace } from "../server/place";
import type { Chosen } from "../server/machine";

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
  async of(folders: readonly string[], log: LogOutputChannel): Promise<readonly Chosen[]> {
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

  async #ask(folders: readonly string[]): Promise<readonly Chosen[]> {
    const { environments } = await PythonExtension.api();
    this.#listening ??= environments.onDidChangeActiveEnvironmentPath(() => {
      this.#news.fire();
    });
    const resources = folders.length === 0 ? [undefined] : folders.map((folder) => Uri.file(folder));
    const chosen = new Map<string, Chosen>();
    for (const resource of resources) {
      const active = environments.getActiveEnvironmentPath(resource);
      const byWorkspace = isSetByWorkspace(resource);
      // To resolve an environment is to start its interpreter, which may be one that nobody agreed to.
      const isOwn = byWorkspace || (await isInWorkspace({ platform: process.platform, folders }, active.path, followed));
      const mayResolve = workspace.isTrusted && !isOwn;
      const command = mayResolve ? (await environments.resolveEnvironment(active))?.executable.uri?.fsPath : active.path;
      if (command !== undefined) {
        chosen.set(command, { command, byWorkspace: byWorkspace || chosen.get(command)?.byWorkspace === true });
      }
    }
    return [...chosen.values()];
  }
}

/**
 * Whether the settings of the workspace name an interpreter. It may not be the one that is active, but that cannot be
 * told apart: the setting may hold variables.
 */
function isSetByWorkspace(resource: Uri | undefined): boolean {
  const setting = workspace.getConfiguration("python", resource).inspect("defaultInterpreterPath");
  return setting?.workspaceValue !== undefined || setting?.workspaceFolderValue !== undefined;
}
