import { type ExtensionContext, Uri, window, workspace } from "vscode";

import { sampleFiles } from "./sampleFiles";

/**
 * Writes a first prompt with its rows and opens it: in a folder that the user picks, or, where no folder is open,
 * in one of the extension's own. Files that are there already are opened as they are. Says whether it was opened.
 */
export async function openSample(context: ExtensionContext, remote: boolean): Promise<boolean> {
  const folder = await place(context);
  if (folder === undefined) {
    return false;
  }
  const read = async (name: string): Promise<string> =>
    new TextDecoder().decode(await workspace.fs.readFile(Uri.joinPath(context.extensionUri, "out", "sample", name)));
  const files = sampleFiles(await read("first.prompt"), await read("first.jsonl"), remote);
  await workspace.fs.createDirectory(folder);
  for (const [name, text] of Object.entries(files)) {
    const file = Uri.joinPath(folder, name);
    if (!(await exists(file))) {
      await workspace.fs.writeFile(file, new TextEncoder().encode(text));
    }
  }
  await window.showTextDocument(Uri.joinPath(folder, "tickets.prompt"), { preview: false });
  return true;
}

async function place(context: ExtensionContext): Promise<Uri | undefined> {
  const [open] = workspace.workspaceFolders ?? [];
  if (open === undefined) {
    return Uri.joinPath(context.globalStorageUri, "sample");
  }
  const picked = await window.showOpenDialog({
    title: "Where should tickets.prompt and tickets.jsonl be put?",
    openLabel: "Put the Sample Here",
    canSelectFiles: false,
    canSelectFolders: true,
    defaultUri: open.uri,
  });
  return picked?.[0];
}

async function exists(file: Uri): Promise<boolean> {
  return Promise.resolve(workspace.fs.stat(file)).then(
    () => true,
    () => false,
  );
}
