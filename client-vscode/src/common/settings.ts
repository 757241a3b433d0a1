import type { WorkspaceConfiguration } from "vscode";

/** The section of the settings that belongs to this extension. */
export const SECTION = "apo";

/** The settings as the server takes them when it starts. */
export interface Settings {
  readonly background: string;
  readonly consent: boolean;
  readonly budget: Readonly<Record<string, unknown>>;
  readonly workspaceBudget: Readonly<Record<string, unknown>>;
  readonly model: string;
  readonly optimizer: Readonly<Record<string, unknown>>;
  readonly cacheDir: string;
  readonly keep: string;
  readonly python: string;
  /** False in Restricted Mode: static checks only. */
  readonly trusted: boolean;
}

/** Where the settings of the remote machine are written by its user, as those of this machine are. */
const OWN_REMOTES: readonly (string | undefined)[] = [undefined, "ssh-remote", "tunnel", "wsl"];

/**
 * Whether the value that VS Code calls global is the user's own. It counts the settings of the remote machine among
 * them, and those of a container come from the repository (`devcontainer.json`) or from an image. They cannot set what
 * has the scope "application".
 */
export function areSettingsOwn(remoteName: string | undefined): boolean {
  return OWN_REMOTES.includes(remoteName);
}

/**
 * Snapshot of the section `apo`.
 *
 * Consent, the caps of a run and of a day, what is kept and where are read from the user's own settings alone: a
 * workspace must not be able to give consent, raise a cap or bring results along. The models are the user's too: the
 * server lets what the user names lie anywhere. It asks for the models of the workspace later, and so for those of a
 * container, which are not the user's either (`own` is false).
 */
export function settingsSnapshot(
  configuration: Pick<WorkspaceConfiguration, "get" | "inspect">,
  trusted: boolean,
  own: boolean,
): Settings {
  const userValue = <T>(key: string, none: T): T => (own ? (configuration.inspect<T>(key)?.globalValue ?? none) : none);
  return {
    background: configuration.get("background", "gradients"),
    consent: configuration.inspect<boolean>("consent")?.globalValue === true,
    budget: configuration.inspect<Record<string, unknown>>("budget")?.globalValue ?? {},
    workspaceBudget: configuration.inspect<Record<string, unknown>>("workspaceBudget")?.globalValue ?? {},
    model: userValue("model", ""),
    optimizer: userValue<Record<string, unknown>>("optimizer", {}),
    cacheDir: configuration.inspect<string>("cacheDir")?.globalValue ?? "",
    keep: configuration.inspect<string>("keep")?.globalValue ?? "all",
    python: configuration.get("python", ""),
    trusted,
  };
}
