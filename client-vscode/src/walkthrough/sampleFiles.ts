/** The models that `apo init` names too. */
const REMOTE = "openai/gpt-4.1-mini";
const EMBEDDED = "embedded/gemma-3-270m";

/**
 * The files of the sample by name, from the text that `apo init` starts from.
 *
 * It names a model that answers as things are: a remote one where there is a key or an endpoint, else the embedded one.
 */
export function sampleFiles(prompt: string, rows: string, remote: boolean): Readonly<Record<string, string>> {
  const text = prompt.replace("MODEL", remote ? REMOTE : EMBEDDED).replace("EXAMPLES", "tickets.jsonl");
  return { "tickets.jsonl": rows, "tickets.prompt": text };
}
