import path from "node:path";

import {
  type Disposable,
  type ExtensionContext,
  type LogOutputChannel,
  ProgressLocation,
  window,
  workspace,
} from "vscode";

import { HTTP, withProxy } from "../common/proxy";
import { installingSurroundings, workingFolder } from "../common/surroundings";
import { type Bundle, modelSetupFor, readBundle, type Setup } from "./bundle";
import { isMade, make } from "./make";
import type { Trouble } from "./trouble";

/** The environments of the bundled server on this machine, made when they are needed, with progress. */
export class Environments implements Disposable {
  readonly #script: string;
  readonly #cwd: string;
  readonly #log: LogOutputChannel;
  readonly #bundle: Promise<Bundle | undefined>;
  readonly #disposal = new AbortController();

  constructor(context: ExtensionContext, log: LogOutputChannel) {
    const { version } = context.extension.packageJSON as { version: string };
    this.#script = path.join(context.extensionPath, "python", "unpack.py");
    this.#cwd = workingFolder(context.globalStorageUri.fsPath, context.extensionPath);
    this.#log = log;
    this.#bundle = readBundle(context.extensionPath, version, context.globalStorageUri.fsPath);
  }

  /** The server that this extension carries; undefined where it was packaged without. */
  async bundle(): Promise<Bundle | undefined> {
    return this.#bundle;
  }

  /** Sees to it that the environment is there; what stood in the way, or undefined when it is. */
  async prepare(setup: Setup): Promise<Trouble | undefined> {
    const bundle = await this.#bundle;
    if (bundle === undefined || (await isMade(setup))) {
      return undefined;
    }
    const began = Date.now();
    const trouble = await window.withProgress(
      { location: ProgressLocation.Notification, title: titleOf(setup), cancellable: setup.kind !== "unpack" },
      async (_progress, token) => {
        const cancellation = new AbortController();
        token.onCancellationRequested(() => {
          cancellation.abort();
        });
        return make(setup, bundle, {
          script: this.#script,
          surroundings: installingSurroundings(this.#cwd, withProxy(process.env, workspace.getConfiguration(HTTP))),
          signal: AbortSignal.any([cancellation.signal, this.#disposal.signal]),
          log: (text) => {
            this.#log.info(text);
          },
        });
      },
    );
    if (trouble === undefined) {
      this.#log.info(`Made ${setup.folder} in ${Date.now() - began} ms`);
    }
    return trouble;
  }

  /** The folder of the embedded model that goes with an environment; undefined while it is not installed. */
  async model({ interpreter }: Setup): Promise<string | undefined> {
    const bundle = await this.#bundle;
    const setup = bundle && modelSetupFor(bundle, interpreter);
    return setup !== undefined && (await isMade(setup)) ? setup.folder : undefined;
  }

  /** Installs the embedded model for the interpreter of an environment; what stood in the way, or undefined. */
  async installModel({ interpreter }: Setup): Promise<Trouble | undefined> {
    const bundle = await this.#bundle;
    return bundle && this.prepare(modelSetupFor(bundle, interpreter));
  }

  /** Ends what is under way; a half-made environment is removed by the next start. */
  dispose(): void {
    this.#disposal.abort();
  }
}

function titleOf({ kind, interpreter }: Setup): string {
  switch (kind) {
    case "unpack":
      return "Preparing the APO language server…";
    case "install":
      return `Installing the APO language server for Python ${interpreter.version}…`;
    case "model":
      return "Installing the embedded model (about 300 MB; Gemma Terms of Use)…";
  }
}
