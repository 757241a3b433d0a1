import { type DecorationOptions, Disposable, MarkdownString, type TextEditor, ThemeColor, Uri, window, workspace } from "vscode";

import type { Failure } from "../../report/model";
import { visible } from "../../report/text";
import type { Runs } from "../runs/runs";

const WIDTH = 60;

/** Marks the rows that the prompt gets wrong where they stand, with what it answered. */
export function createRowDecorations(runs: Runs, extension: Uri): Disposable {
  const kind = window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new ThemeColor("diffEditor.removedLineBackground"),
    // High contrast themes have no background of that name.
    gutterIconPath: Uri.joinPath(extension, "images", "row-failed.svg"),
    gutterIconSize: "contain",
    overviewRulerColor: new ThemeColor("testing.iconFailed"),
    after: { margin: "0 0 0 2em", color: new ThemeColor("editorCodeLens.foreground") },
  });
  const show = (): void => {
    for (const editor of window.visibleTextEditors) {
      editor.setDecorations(kind, decorations(editor, runs.report?.failing ?? []));
    }
  };
  show();
  return Disposable.from(
    kind,
    runs.onChange(show),
    window.onDidChangeVisibleTextEditors(show),
    workspace.onDidSaveTextDocument(show),
  );
}

/** An edited file's lines are no longer those that were run. */
function decorations(editor: TextEditor, failing: readonly Failure[]): DecorationOptions[] {
  const { document } = editor;
  if (document.isDirty) {
    return [];
  }
  return failing
    .filter((failure) => failure.path === document.uri.fsPath && failure.line <= document.lineCount)
    .map((failure) => {
      const words = `answered “${shortened(failure.answered)}”, expected “${shortened(failure.expected)}”`;
      return {
        range: document.lineAt(failure.line - 1).range,
        hoverMessage: new MarkdownString().appendText(`APO: ${words}`),
        renderOptions: { after: { contentText: words } },
      };
    });
}

function shortened(text: string): string {
  const line = visible(text.split(/\s+/).join(" "));
  return line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 1)}…`;
}
