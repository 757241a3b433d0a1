import { commands, type Disposable, EventEmitter, type TextDocument, type Uri, window } from "vscode";

import type { Report } from "../../report/model";
import { isPrompt, PROMPT_DOCUMENTS } from "../common/documents";
import type { RunStatus } from "./status";

/** A run under way is read anew no more often than this. */
const PAUSE_MS = 1_000;
const SERVED: readonly string[] = PROMPT_DOCUMENTS.map((filter) => filter.scheme);

/** What is known of the prompt that the user is at: what runs for it, and the report of its last run. */
export class Runs implements Disposable {
  readonly #statuses = new Map<string, RunStatus>();
  readonly #news = new EventEmitter<void>();
  readonly #ends = new EventEmitter<RunStatus>();
  readonly #listener: Disposable;
  #prompt: TextDocument | undefined;
  #report: Report | undefined;
  #timer: NodeJS.Timeout | undefined;
  #readAt = 0;

  /** Told whenever the prompt, its status or its report is another one. */
  readonly onChange = this.#news.event;
  /** Told whenever a run of any prompt has come to its end; with what was known of it before. */
  readonly onEnd = this.#ends.event;

  constructor() {
    this.#listener = window.onDidChangeActiveTextEditor((editor) => {
      this.#turnTo(editor?.document);
    });
    this.#turnTo(window.activeTextEditor?.document);
  }

  /** The prompt that is edited, or was edited last. */
  get prompt(): TextDocument | undefined {
    return this.#prompt?.isClosed === false ? this.#prompt : undefined;
  }

  get status(): RunStatus | undefined {
    const prompt = this.prompt;
    return prompt === undefined ? undefined : this.#statuses.get(prompt.uri.toString());
  }

  /** The report of the prompt's run, as far as it has come; undefined where there is none. */
  get report(): Report | undefined {
    return this.#report;
  }

  /** Takes up what the server tells. */
  take(status: RunStatus): void {
    const before = this.#statuses.get(status.uri);
    this.#statuses.set(status.uri, status);
    if (before?.state === "running" && status.state !== "running") {
      this.#ends.fire(before);
    }
    if (status.uri === this.prompt?.uri.toString()) {
      this.#news.fire();
      this.#readSoon();
    }
  }

  /** The server is gone: what it told holds no longer. */
  forget(): void {
    this.#statuses.clear();
    this.#news.fire();
  }

  /** Shows a prompt whose report is at hand. */
  async show(prompt: Uri, report: Report): Promise<void> {
    const { document } = await window.showTextDocument(prompt, { preview: false });
    this.#turnTo(document);
    this.#report = report;
    this.#news.fire();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#listener.dispose();
    this.#news.dispose();
    this.#ends.dispose();
  }

  #turnTo(document: TextDocument | undefined): void {
    // The text of a candidate, beside the prompt that it is compared with, is no prompt of its own.
    if (document === undefined || !isPrompt(document) || !SERVED.includes(document.uri.scheme)) {
      return;
    }
    if (document === this.#prompt) {
      return;
    }
    this.#prompt = document;
    this.#report = undefined;
    this.#readAt = 0;
    this.#news.fire();
    this.#readSoon();
  }

  #readSoon(): void {
    if (this.#timer === undefined) {
      const wait = Math.max(0, this.#readAt + PAUSE_MS - Date.now());
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#readAt = Date.now();
        void this.#read();
      }, wait);
    }
  }

  async #read(): Promise<void> {
    const prompt = this.prompt;
    if (prompt === undefined || this.status?.run == null) {
      return;
    }
    const report = await commands.executeCommand<Report | null>("apo.report", prompt.uri.toString());
    if (prompt === this.prompt) {
      this.#report = report ?? undefined;
      this.#news.fire();
    }
  }
}
