import { homedir } from "node:os";

import { type Disposable, type ExtensionContext, type LogOutputChannel, workspace } from "vscode";

import { offerLogs, offerRemedy } from "../common/commands";
import { EXAMPLE_FILES } from "../common/documents";
import { selectedInterpreters } from "../common/python";
import { SECTION, settingsSnapshot } from "../common/settings";
import type { Environments } from "../environment/environments";
import type { Trouble } from "../environment/trouble";
import type { ApiKey } from "../secrets/apiKey";
import { Connection } from "./connection";
import { Crashes } from "./crashes";
import { ask, isExecutable, ownSurroundings, safeSurroundings, type Surroundings } from "./machine";
import { type Launch, type Resolution, resolve, sameLaunch } from "./resolution";
import { singleFlight } from "./singleFlight";
import type { ServerState } from "./state";

/** What the server is shown with, made with, and given. */
export interface Helpers {
  readonly log: LogOutputChannel;
  readonly show: (state: ServerState) => void;
  readonly environments: Environments;
  readonly key: ApiKey;
}

/** The language server of this window: one process at a time, through starts, crashes and restarts. */
export class Server implements Disposable {
  readonly #log: LogOutputChannel;
  readonly #show: (state: ServerState) => void;
  readonly #environments: Environments;
  readonly #key: ApiKey;
  readonly #surroundings: Surroundings;
  readonly #crashes = new Crashes();
  readonly #cycle = singleFlight(async () => this.#stopThenStart());
  readonly #exampleFiles = workspace.createFileSystemWatcher(EXAMPLE_FILES);
  #connection: Connection | undefined;
  #launch: Launch | undefined;
  #retry: NodeJS.Timeout | undefined;
  #disposed = false;

  constructor(context: ExtensionContext, { log, show, environments, key }: Helpers) {
    this.#log = log;
    this.#show = show;
    this.#environments = environments;
    this.#key = key;
    this.#surroundings = safeSurroundings(context.extensionPath, process.env);
  }

  /** Stops the server if it runs, and starts it from what the settings say now. */
  async restart(): Promise<void> {
    this.#crashes.forget();
    this.#abandonStart();
    await this.#cycle();
  }

  /** Restarts only if the settings or the Python extension now lead to another program. */
  async reconsider(): Promise<void> {
    const resolution = await this.#resolve();
    if (!sameLaunch(resolution.found ? resolution.launch : undefined, this.#launch)) {
      await this.restart();
    }
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
    this.#show({ kind: "starting" });
    const resolution = await this.#resolve();
    const trouble = resolution.found
      ? resolution.setup && (await this.#environments.prepare(resolution.setup))
      : resolution.trouble;
    if (trouble !== undefined) {
      this.#missing(trouble);
    } else if (resolution.found) {
      await this.#start(resolution.launch);
    }
  }

  #missing(trouble: Trouble): void {
    this.#log.error(trouble.sentence);
    this.#show({ kind: "missing", sentence: trouble.sentence });
    void offerRemedy(trouble);
  }

  async #start(launch: Launch): Promise<void> {
    this.#launch = launch;
    const trusted = workspace.isTrusted;
    const settings = settingsSnapshot(workspace.getConfiguration(SECTION), trusted);
    this.#log.info(`Starting ${[launch.command, ...launch.args].join(" ")} (from ${launch.source})`);
    const connection = new Connection({
      launch,
      surroundings: await this.#surroundingsOf(launch),
      settings,
      exampleFiles: this.#exampleFiles,
      log: this.#log,
      onLost: (lost) => {
        this.#lost(lost);
      },
    });
    this.#connection = connection;
    try {
      await connection.start();
      this.#show({ kind: "running", launch, version: connection.version, trusted });
    } catch (error) {
      if (connection !== this.#connection) {
        return;
      }
      this.#connection = undefined;
      this.#log.error("The server did not start:", error);
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
    this.#show({ kind: "crashed", retryInMs });
    this.#retry = setTimeout(() => void this.#cycle(), retryInMs);
  }

  #giveUp(sentence: string): void {
    this.#show({ kind: "down", sentence });
    void offerLogs(sentence);
  }

  async #end(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#launch = undefined;
    await connection?.stop();
  }

  /** The key goes to the server alone, never to an interpreter that is only asked what it is. */
  async #surroundingsOf({ modules }: Launch): Promise<Surroundings> {
    const { cwd, env } = modules === undefined ? this.#surroundings : ownSurroundings(this.#surroundings, modules);
    return { cwd, env: await this.#key.given(env) };
  }

  async #resolve(): Promise<Resolution> {
    const folders = (workspace.workspaceFolders ?? [])
      .filter((folder) => folder.uri.scheme === "file")
      .map((folder) => folder.uri.fsPath);
    return resolve(
      {
        platform: process.platform,
        home: homedir(),
        searchPath: process.env["PATH"] ?? "",
        trusted: workspace.isTrusted,
        folders,
        setting: workspace.getConfiguration(SECTION).get("python", ""),
      },
      {
        selectedInterpreters: async () => selectedInterpreters(folders, this.#log),
        ask: async (command, args) => {
          const answer = await ask(command, args, this.#surroundings);
          this.#log.debug(answer.ok ? `${command} is Python ${answer.interpreter.version}` : answer.clause);
          return answer;
        },
        isExecutable,
      },
      await this.#environments.bundle(),
    );
  }
}
