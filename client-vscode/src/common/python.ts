import { PythonExtension } from "@vscode/python-extension";
import { type Disposable, extensions, type LogOutputChannel, Uri } from "vscode";

const EXTENSION_ID = "ms-python.python";

/** Interpreters chosen in the Python extension, one per folder; none where that extension is missing or broken. */
export async function selectedInterpreters(
  folders: readonly string[],
  log: LogOutputChannel,
): Promise<readonly string[]> {
  if (extensions.getExtension(EXTENSION_ID) === undefined) {
    return [];
  }
  try {
    const { environments } = await PythonExtension.api();
    const resources = folders.length === 0 ? [undefined] : folders.map((folder) => Uri.file(folder));
    const interpreters = await Promise.all(
      resources.map(async (resource) => {
        const active = environments.getActiveEnvironmentPath(resource);
        return (await environments.resolveEnvironment(active))?.executable.uri?.fsPath;
      }),
    );
    return [...new Set(interpreters.filter((interpreter) => interpreter !== undefined))];
  } catch (error) {
    log.warn("The Python extension did not name an interpreter:", error);
    return [];
  }
}

/** Calls `listener` whenever another interpreter is chosen, once the Python extension is there. */
export async function onInterpreterChange(listener: () => void): Promise<Disposable | undefined> {
  const extension = extensions.getExtension<PythonExtension>(EXTENSION_ID);
  if (extension?.isActive !== true) {
    return undefined;
  }
  const { environments } = await PythonExtension.api();
  return environments.onDidChangeActiveEnvironmentPath(listener);
}
