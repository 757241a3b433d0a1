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

/**
 * Snapshot of the section `apo`.
 *
 * Consent, the caps of a run and of a day, what is kept and where are read from the user's own settings alone: a
 * workspace must not be able to give consent, raise a cap or bring results along. The models are the user's too: the
 * server lets what the user names lie anywhere. It asks for the models and the caps of the workspace later.
 */
export function settingsSnapshot(
  configuration: Pick<WorkspaceConfiguration, "get" | "inspect">,
  trusted: boolean,
): Settings {
  return {
    background: configuration.get("background", "gradients"),
    consent: configuration.inspect<boolean>("consent")?.globalValue === true,
    budget: configuration.inspect<Record<string, unknown>>("budget")?.globalValue ?? {},
    workspaceBudget: configuration.inspect<Record<string, unknown>>("workspaceBudget")?.globalValue ?? {},
    model: configuration.inspect<string>("model")?.globalValue ?? "",
    optimizer: configuration.inspect<Record<string, unknown>>("optimizer")?.globalValue ?? {},
    cacheDir: configuration.inspect<string>("cacheDir")?.globalValue ?? "",
    keep: configuration.inspect<string>("keep")?.globalValue ?? "all",
    python: configuration.get("python", ""),
    trusted,
  };
}
