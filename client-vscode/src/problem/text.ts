/** What is known of an installation, for a problem report: no text of a prompt, no row, no key, no path. */
export function problemReport(facts: Readonly<Record<string, string>>, settings: Readonly<Record<string, string>>): string {
  const list = (values: Readonly<Record<string, string>>): string =>
    Object.entries(values).map(([name, value]) => `- ${name}: ${value}`).join("\n");
  return `# A problem with APO

What did you do, what did you expect, and what happened?



## Installation

${list(facts)}

## Settings

${list(settings)}

Add lines of the log (command "APO: Open Logs") where they help, after reading them: paths and file names stand in it.
`;
}
