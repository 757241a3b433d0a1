import { Range, type Uri, ViewColumn, window, workspace } from "vscode";

/** Shows a line, counted from 1, of a file; the last one where the file has fewer. */
export async function showLine(uri: Uri, line: number): Promise<void> {
  const document = await workspace.openTextDocument(uri);
  const { start } = document.lineAt(Math.min(line, document.lineCount) - 1).range;
  await window.showTextDocument(document, { viewColumn: ViewColumn.One, selection: new Range(start, start) });
}
