import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

import { commands, type FileSystemWatcher, type LogOutputChannel, Uri } from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  type ShowDocumentRequest,
  State,
  type StaticFeature,
} from "vscode-languageclient/node";

import { PROMPT_DOCUMENTS } from "../common/documents";
import { SECTION, type Settings } from "../common/settings";
import type { Surroundings } from "../common/surroundings";
import type { ProblemMessage } from "../common/wayOut";
import type { RunStatus } from "../runs/status";
import { levels } from "./levels";
import { spawnServer, within } from "./process";
import type { Launch } from "./launch";

/** A server that has not answered `initialize` by then never will. */
const START_TIMEOUT_MS = 60_000;
/** Errors on the connection that are still borne before it is given up. */
const BEARABLE_ERRORS = 3;

/** The client whose notices all go to the log: what the user is told is decided in one place, the server's. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** Tells the server that this client shows what runs all the time. */
const SHOWS_STATUS: StaticFeature = {
  fillClientCapabilities: (capabilities) => {
    capabilities.experimental = { apoStatus: true };
  },
  initialize: () => undefined,
  getState: () => ({ kind: "static" }),
  clear: () => undefined,
};

/** What a connection is made from. */
export interface Parts {
  readonly launch: Launch;
  readonly surroundings: Surroundings;
  readonly settings: Settings;
  readonly exampleFiles: FileSystemWatcher;
  readonly log: LogOutputChannel;
  /** Called when the server tells what runs for a prompt. */
  readonly onStatus: (status: RunStatus) => void;
  /** Called when the server tells what is wrong. */
  readonly onProblem: (problem: ProblemMessage) => void;
  /** Called when a running server goes away though nobody asked it to. */
  readonly onLost: (connection: Connection) => void;
}

/** One life of the server: its process and the client that talks to it. A restart makes a new one. */
export class Connection {
  readonly #client: LanguageClient;
  readonly #log: LogOutputChannel;
  #process: ChildProcess | undefined;

  constructor(parts: Parts) {
    this.#log = parts.log;
    this.#client = new QuietClient(SECTION, "APO", async () => this.#spawn(parts), this.#options(parts));
    this.#client.registerFeature(SHOWS_STATUS);
    this.#client.onNotification("apo/status", (told: RunStatus | { readonly problem: ProblemMessage }) => {
      if ("problem" in told) {
        parts.onProblem(told.problem);
      } else {
        parts.onStatus(told);
      }
    });
  }

  /** What the server calls its version; undefined before it runs. */
  get version(): string | undefined {
    return this.#client.initializeResult?.serverInfo?.version;
  }

  /** Whether {@link start} is still under way. */
  get isStarting(): boolean {
    return this.#client.state === State.Starting;
  }

  /** Starts the process and waits until the server is initialized. */
  async start(): Promise<void> {
    try {
      await within(this.#client.start(), START_TIMEOUT_MS, "The server did not answer in time.");
    } catch (error) {
      this.kill();
      throw error;
    }
  }

  /** Shuts the server down in order, or by force when it does not comply. */
  async stop(): Promise<void> {
    try {
      if (this.#client.isRunning()) {
        await this.#client.dispose();
      }
    } catch (error) {
      this.#log.warn("The server is ended by force:", error);
      this.kill();
    }
  }

  /** Ends the process at once. */
  kill(): void {
    this.#process?.kill("SIGKILL");
  }

  async #spawn(parts: Parts): Promise<ChildProcess> {
    const child = await spawnServer(parts.launch, parts.surroundings);
    child.on("exit", (code, signal) => {
      this.#log.info(`The server process ended (${signal ?? `exit status ${code ?? "unknown"}`})`);
    });
    this.#process = child;
    return child;
  }

  #options(parts: Parts): LanguageClientOptions {
    const logLines = (stream: Readable): void => {
      const levelOf = levels();
      createInterface({ input: stream }).on("line", (line) => {
        parts.log[levelOf(line)](line);
      });
    };
    return {
      documentSelector: PROMPT_DOCUMENTS,
      initializationOptions: parts.settings,
      initializationFailedHandler: () => false,
      outputChannel: parts.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      middleware: { window: { showDocument: showPage } },
      stdioOptions: { stdout: logLines, stderr: logLines },
      synchronize: {
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- what servers without workspace/configuration need
        configurationSection: SECTION,
        fileEvents: parts.exampleFiles,
      },
      errorHandler: {
        error: (_error, _message, count) => ({
          action: (count ?? 0) <= BEARABLE_ERRORS ? ErrorAction.Continue : ErrorAction.Shutdown,
          handled: true,
        }),
        closed: () => {
          if (this.#client.state === State.Running) {
            parts.onLost(this);
          }
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
    };
  }
}

/** The server's pages are Markdown, to be read and not to be edited. */
const showPage: ShowDocumentRequest.MiddlewareSignature = async (params, token, next) => {
  const uri = Uri.parse(params.uri);
  if (!uri.path.endsWith(".md")) {
    return next(params, token);
  }
  await commands.executeCommand("markdown.showPreviewToSide", uri);
  return { success: true };
};
