import { type Disposable, type ExtensionContext, window, workspace } from "vscode";

import { SECTION } from "../common/settings";
import { baseUrl, withEndpoint } from "./endpoint";

/** The name of the key in the editor's secret storage. */
const SECRET = "apo.apiKey";

/** The user's API key: in the editor's secret storage and nowhere else. */
export class ApiKey {
  readonly #secrets: ExtensionContext["secrets"];

  constructor({ secrets }: Pick<ExtensionContext, "secrets">) {
    this.#secrets = secrets;
  }

  async get(): Promise<string | undefined> {
    return this.#secrets.get(SECRET);
  }

  /** `env` with the key and the endpoint that the user has set: what the server, and nothing else, is started with. */
  async given(env: NodeJS.ProcessEnv): Promise<NodeJS.ProcessEnv> {
    return withEndpoint(env, await this.get(), baseUrl(workspace.getConfiguration(SECTION)));
  }

  /** Asks for the key; an empty answer removes it. */
  async ask(): Promise<void> {
    const had = (await this.get()) !== undefined;
    const entered = await window.showInputBox({
      title: "APO: API key",
      prompt: had
        ? "It replaces the key that is kept; leave this empty to remove that one."
        : "It is kept in the editor's secret storage, and only the language server is given it.",
      placeHolder: "sk-…",
      password: true,
      ignoreFocusOut: true,
    });
    const key = entered?.trim();
    if (key === undefined || (key === "" && !had)) {
      return;
    }
    await (key === "" ? this.#secrets.delete(SECRET) : this.#secrets.store(SECRET, key));
    void window.showInformationMessage(key === "" ? "The API key is removed." : "The API key is stored.");
  }

  /** Calls `listener` whenever this or another window stores or removes the key. */
  onChange(listener: () => void): Disposable {
    return this.#secrets.onDidChange(({ key }) => {
      if (key === SECRET) {
        listener();
      }
    });
  }
}
