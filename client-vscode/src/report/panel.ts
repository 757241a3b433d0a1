import { randomBytes } from "node:crypto";

import { type Disposable, Uri, ViewColumn, type WebviewPanel, window } from "vscode";

import { title } from "../../report/words";
import { showLine } from "../common/place";
import type { Runs } from "../runs/runs";

/** What the page asks for. */
type Wish = { readonly kind: "ready" } | { readonly kind: "row"; readonly path: string; readonly line: number };

/** The report of the prompt's run beside the editor; it follows the run while that goes on. */
export class ReportPanel implements Disposable {
  readonly #runs: Runs;
  readonly #extension: Uri;
  readonly #listener: Disposable;
  #panel: WebviewPanel | undefined;
  #ready = false;

  constructor(runs: Runs, extension: Uri) {
    this.#runs = runs;
    this.#extension = extension;
    this.#listener = runs.onChange(() => {
      this.#send();
    });
  }

  /** Shows the panel; without a run there is nothing to show, and a sentence says what to do. */
  async open(): Promise<void> {
    if (this.#runs.report === undefined) {
      const known = this.#runs.prompt === undefined ? "Open a .prompt file first." : "Nothing is known of this prompt yet. Evaluate or optimize it first.";
      await window.showInformationMessage(known);
      return;
    }
    if (this.#panel === undefined) {
      this.#panel = this.#create();
    } else {
      this.#panel.reveal();
    }
    this.#send();
  }

  dispose(): void {
    this.#listener.dispose();
    this.#panel?.dispose();
  }

  #create(): WebviewPanel {
    const folder = Uri.joinPath(this.#extension, "out", "report");
    const panel = window.createWebviewPanel("apo.report", "APO report", { viewColumn: ViewColumn.Beside, preserveFocus: true }, {
      enableScripts: true,
      localResourceRoots: [folder],
      retainContextWhenHidden: true,
    });
    this.#ready = false;
    panel.onDidDispose(() => {
      this.#panel = undefined;
    });
    panel.webview.onDidReceiveMessage(async (wish: Wish) => {
      if (wish.kind === "ready") {
        this.#ready = true;
        this.#send();
      } else {
        await showLine(Uri.file(wish.path), wish.line);
      }
    });
    const script = panel.webview.asWebviewUri(Uri.joinPath(folder, "report.js")).toString();
    const style = panel.webview.asWebviewUri(Uri.joinPath(folder, "report.css")).toString();
    panel.webview.html = html(script, style, panel.webview.cspSource);
    return panel;
  }

  #send(): void {
    const { report } = this.#runs;
    if (this.#panel !== undefined && this.#ready && report !== undefined) {
      this.#panel.title = title(report);
      void this.#panel.webview.postMessage(report);
    }
  }
}

function html(script: string, style: string, source: string): string {
  const nonce = randomBytes(16).toString("base64");
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${source}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<link rel="stylesheet" href="${style}">
<title>APO report</title>
</head>
<body>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>
`;
}
