import { setImmediate } from "node:timers/promises";

import { type Disposable, env, type ExtensionContext, workspace } from "vscode";

import { offerLogs, offerRemedy } from "../common/commands";
import { EXAMPLE_FILES } from "../common/documents";
import { HTTP, withProxy } from "../common/proxy";
import { areSettingsOwn, SECTION, settingsSnapshot } from "../common/settings";
import { ownSurroundings, safeSurroundings, type Surroundings, workingFolder } from "../common/surroundings";
import type { Setup } from "../environment/bundle";
import { ownServer, type Trouble } from "../environment/trouble";
import type { Connection } from "./connection";
import { Crashes } from "./crashes";
import { Finder } from "./finder";
import type { Helpers } from "./helpers";
import { type Launch, sameLaunch } from "./launch";
import { singleFlight } from "./singleFlight";

/** The language client is most of the extension's code: it is loaded behind the activation, while the interpreter is asked. */
const LANGUAGE_CLIENT = setImmediate().then(async () => import("./connection"));

/** The language server of this window: one process at a time, through starts, crashes and restarts. */
export class Server implements Disposable {
  readonly #with: Helpers;
  readonly #surroundings: Surroundings;
  readonly #finder: Finder;
  readonly #crashes = new Crashes();
  readonly #cycle = singleFlight(async () => this.#stopThenStart());
  readonly #exampleFiles = workspace.createFileSystemWatcher(EXAMPLE_FILES);
  #connection: Connection | undefined;
  #launch: Launch | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** The program that has run: what works once is worth another start. */
  #proven: Launch | undefined;
  #disposed = false;

  constructor(context: ExtensionContext, helpers: Helpers) {
    this.#with = helpers;
    const cwd = workingFolder(context.globalStorageUri.fsPath, context.extensionPath);
    this.#surroundings = safeSurroundings(cwd, process.env);
    this.#finder = new Finder(context, this.#surroundings, helpers);
  }

  /** Stops the server if it runs, and starts it from what the settings say now. */
  async restart(): Promise<void> {
    this.#crashes.forget();
    this.#abandonStart();
    await this.#cycle();
  }

  /** Restarts only if the settings or the Python extension now lead to another program. */
  async reconsider(): Promise<void> {
    const resolution = await this.#finder.resolve();
    if (!sameLaunch(resolution.found ? resolution.launch : undefined, this.#launch)) {
      await this.restart();
    }
  }

  /** Whether the bundled server could run the embedded model if that were installed. */
  async lacksModel(): Promise<boolean> {
    const resolution = await this.#finder.resolve();
    const setup = resolution.found ? resolution.setup : undefined;
    return setup !== undefined && (await this.#with.environments.model(setup)) === undefined;
  }

  /** Installs the embedded model for the interpreter that runs the bundled server, and starts that anew. */
  async installModel(): Promise<void> {
    const resolution = await this.#finder.resolve();
    const trouble = !resolution.found
      ? resolution.trouble
      : resolution.setup === undefined
        ? ownServer(resolution.launch.command)
        : await this.#with.environments.installModel(resolution.setup);
    if (trouble !== undefined) {
      await offerRemedy(trouble, this.#with.agreements);
      return;
    }
    await this.restart();
  }

  /** Ends the server for good. */
  async stop(): Promise<void> {
    this.#disposed = true;
    this.#abandonStart();
    await this.#cycle();
  }

  dispose(): void {
    this.#exampleFiles.dispose();
    void this.stop();
  }

  async #stopThenStart(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#end();
    if (this.#disposed) {
      return;
    }
    this.#with.show({ kind: "starting" });
    const remembered = await this.#finder.remembered();
    const resolution = remembered ?? (await this.#finder.resolve());
    const trouble = resolution.found
      ? resolution.setup && (await this.#with.environments.prepare(resolution.setup))
      : resolution.trouble;
    if (trouble !== undefined) {
      this.#missing(trouble);
    } else if (resolution.found) {
      await this.#start(resolution.launch, resolution.setup);
    }
    if (remembered !== undefined) {
      void this.reconsider();
    }
  }

  #missing(trouble: Trouble): void {
    this.#with.log.error(trouble.sentence);
    this.#with.show({ kind: "missing", sentence: trouble.sentence });
    void offerRemedy(trouble, this.#with.agreements);
  }

  async #start(launch: Launch, setup: Setup | undefined): Promise<void> {
    this.#launch = launch;
    const { Connection } = await LANGUAGE_CLIENT;
    const trusted = workspace.isTrusted;
    const settings = settingsSnapshot(workspace.getConfiguration(SECTION), trusted, areSettingsOwn(env.remoteName));
    this.#with.log.info(`Starting ${[launch.command, ...launch.args].join(" ")} (from ${launch.source})`);
    const connection = new Connection({
      launch,
      surroundings: await this.#surroundingsOf(launch, setup),
      settings,
      exampleFiles: this.#exampleFiles,
      log: this.#with.log,
      onStatus: this.#with.onStatus,
      onProblem: this.#with.onProblem,
      onLost: (lost) => {
        this.#lost(lost);
      },
    });
    this.#connection = connection;
    try {
      await connection.start();
      this.#proven = launch;
      this.#with.show({ kind: "running", launch, version: connection.version, trusted });
    } catch (error) {
      if (connection !== this.#connection) {
        return;
      }
      this.#with.log.error("The server did not start:", error);
      if (sameLaunch(launch, this.#proven)) {
        this.#lost(connection);
        return;
      }
      this.#connection = undefined;
      this.#giveUp("The APO language server did not start.");
    }
  }

  /** Nobody waits for a start that something newer overtakes. */
  #abandonStart(): void {
    if (this.#connection?.isStarting === true) {
      this.#connection.kill();
      this.#connection = undefined;
    }
  }

  #lost(connection: Connection): void {
    if (connection !== this.#connection) {
      return;
    }
    this.#connection = undefined;
    connection.kill();
    const retryInMs = this.#crashes.record(Date.now());
    if (retryInMs === undefined) {
      this.#giveUp("The APO language server keeps crashing and was stopped.");
      return;
    }
    this.#with.show({ kind: "crashed", retryInMs });
    this.#retry = setTimeout(() => void this.#cycle(), retryInMs);
  }

  #giveUp(sentence: string): void {
    this.#with.show({ kind: "down", sentence });
    void offerLogs(sentence);
  }

  async #end(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#launch = undefined;
    await connection?.stop();
  }

  /** The key goes to the server alone, never to an interpreter that is only asked what it is. */
  async #surroundingsOf({ modules }: Launch, setup: Setup | undefined): Promise<Surroundings> {
    const folders = [modules, setup && (await this.#with.environments.model(setup))].filter((folder) => folder !== undefined);
    const { cwd, env } = folders.length === 0 ? this.#surroundings : ownSurroundings(this.#surroundings, folders);
    return { cwd, env: await this.#with.key.given(withProxy(env, workspace.getConfiguration(HTTP))) };
  }
}
