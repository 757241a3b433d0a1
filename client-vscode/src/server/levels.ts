/** What the editor's log tells apart. */
export type Level = "debug" | "info" | "warn" | "error";

const OF_PYTHON: Readonly<Record<string, Level>> = { DEBUG: "debug", INFO: "info", WARNING: "warn", ERROR: "error", CRITICAL: "error" };

/** The level of each line of the server's log; a line without one goes on from the line before. */
export function levels(): (line: string) => Level {
  let level: Level = "info";
  return (line) => {
    level = OF_PYTHON[/^([A-Z]+) [\w.]+: /.exec(line)?.[1] ?? ""] ?? level;
    return level;
  };
}
