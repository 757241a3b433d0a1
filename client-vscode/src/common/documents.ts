import type { TextDocument } from "vscode";
import type { DocumentSelector } from "vscode-languageclient/node";

/** The documents that the server is told about: by language, and by name where another extension claims `.prompt`. */
export const PROMPT_DOCUMENTS = [
  { scheme: "file", language: "dotprompt" },
  { scheme: "untitled", language: "dotprompt" },
  { scheme: "file", pattern: "**/*.prompt" },
] satisfies DocumentSelector;

/** Glob of the example sets that prompts refer to. */
export const EXAMPLE_FILES = "**/*.{jsonl,csv,tsv}";

export function isPrompt(document: TextDocument): boolean {
  return document.languageId === "dotprompt" || document.fileName.endsWith(".prompt");
}
