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
 * Consent and what may leave in a day are read from the user's own settings alone: a workspace must not be able to
 * give the one, nor to raise the other.
 */
export function settingsSnapshot(
  configuration: Pick<WorkspaceConfiguration, "get" | "inspect">,
  trusted: boolean,
): Settings {
  return {
    background: configuration.get("background", "gradients"),
    consent: configuration.inspect<boolean>("consent")?.globalValue === true,
    budget: configuration.get("budget", {}),
    workspaceBudget: configuration.inspect<Record<string, unknown>>("workspaceBudget")?.globalValue ?? {},
    model: configuration.get("model", ""),
    optimizer: configuration.get("optimizer", {}),
    cacheDir: configuration.get("cacheDir", ""),
    keep: configuration.get("keep", "all"),
    python: configuration.get("python", ""),
    trusted,
  };
}
