import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import * as oniguruma from "vscode-oniguruma";
import * as textmate from "vscode-textmate";
import { beforeAll, describe, expect, it } from "vitest";

const FILE = "syntaxes/dotprompt.tmLanguage.json";
/** VS Code brings YAML and Markdown along; here a mark on what is handed to them is enough. */
const GUESTS = new Map<string, textmate.IRawGrammar>(
  ["source.yaml", "text.html.markdown"].map((scopeName) => [
    scopeName,
    textmate.parseRawGrammar(
      JSON.stringify({ scopeName, patterns: [{ begin: "(?=\\S)", end: "(?!\\G)$", name: `guest.${scopeName}` }] }),
      `${scopeName}.json`,
    ),
  ]),
);

let grammar: textmate.IGrammar;

beforeAll(async () => {
  const wasm = await readFile(createRequire(import.meta.url).resolve("vscode-oniguruma/release/onig.wasm"));
  await oniguruma.loadWASM(wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength));
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (sources) => new oniguruma.OnigScanner(sources),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (scopeName) =>
      scopeName === "source.dotprompt"
        ? textmate.parseRawGrammar(await readFile(FILE, "utf8"), FILE)
        : (GUESTS.get(scopeName) ?? null),
  });
  const loaded = await registry.loadGrammar("source.dotprompt");
  if (loaded === null) {
    throw new Error("The grammar does not load");
  }
  grammar = loaded;
});

/** The scopes of the first token that covers the start of `needle`. */
function scopesAt(text: string, needle: string): string {
  let state = textmate.INITIAL;
  for (const line of text.split("\n")) {
    const { tokens, ruleStack } = grammar.tokenizeLine(line, state);
    const at = line.indexOf(needle);
    if (at >= 0) {
      return tokens.find((token) => token.startIndex <= at && at < token.endIndex)?.scopes.join(" ") ?? "";
    }
    state = ruleStack;
  }
  throw new Error(`${needle} is not in the text`);
}

const FRONT = "---\nmodel: openai/gpt\n---\n";

describe("front matter", () => {
  it.each([
    ["at the top", FRONT],
    ["behind comments and blank lines", `# a licence ---\n\n${FRONT}`],
    ["behind a byte order mark", `\uFEFF${FRONT}`],
  ])("is YAML %s, and the template behind it is Markdown", (_, front) => {
    const text = `${front}# Task\nSort it.\n---\nmore: text`;
    expect(scopesAt(text, "model:")).toContain("meta.embedded.block.frontmatter guest.source.yaml");
    for (const words of ["# Task", "Sort", "more:"]) {
      expect(scopesAt(text, words)).toContain("guest.text.html.markdown");
      expect(scopesAt(text, words)).not.toMatch(/frontmatter|preamble/);
    }
  });

  it("does not end at dashes inside a value", () => {
    expect(scopesAt("---\na: |\n  --- x\nb: 1\n---\n", "b: 1")).toContain("frontmatter");
  });

  it("keeps braces in YAML as they are", () => {
    expect(scopesAt('---\nx: "{{text}}"\n---\n', "{{text")).not.toContain("handlebars");
  });

  it("is not needed", () => {
    expect(scopesAt("Sort {{text}}.", "Sort")).toContain("guest.text.html.markdown");
    expect(scopesAt("Sort {{text}}.", "text")).toContain("variable.other.handlebars");
  });
});

describe("template", () => {
  it.each([
    ['{{role "system"}}', "role", "keyword.control.role.dotprompt"],
    ['{{role "system"}}', '"system"', "string.quoted.double.handlebars"],
    ["{{history}}", "history", "keyword.control.role.dotprompt"],
    ["{{#each rows as |row|}}", "each", "keyword.control.block.handlebars"],
    ["{{#each rows as |row|}}", "rows", "variable.other.handlebars"],
    ["{{/each}}", "each", "keyword.control.block.handlebars"],
    ["{{else if done}}", "else", "keyword.control.block.handlebars"],
    ["{{> footer}}", "footer", "entity.name.function.partial.handlebars"],
    ["{{json order}}", "json", "support.function.helper.handlebars"],
    ["{{json order}}", "order", "variable.other.handlebars"],
    ["{{order.id}}", "order.id", "variable.other.handlebars"],
    ["{{{raw}}}", "raw", "variable.other.handlebars"],
    ["{{@index}}", "@index", "variable.language.handlebars"],
    ["{{media url=this.link}}", "url", "entity.other.attribute-name.handlebars"],
    ["{{rolex}}", "rolex", "variable.other.handlebars"],
    ["{{role-name}}", "role-name", "variable.other.handlebars"],
    ["{{!-- a {{b}} --}}", "b}}", "comment.block.handlebars"],
    ["{{! short }}", "short", "comment.block.handlebars"],
    ["{{!-- apo:keep --}}", "apo:keep", "keyword.control.directive.dotprompt"],
    ["\\{{not a tag}}", "\\", "constant.character.escape.handlebars"],
  ])("%s: %s is %s", (tag, needle, scope) => {
    expect(scopesAt(`${FRONT}Sort ${tag} now.`, needle)).toContain(scope);
    expect(scopesAt(`${FRONT}Sort ${tag} now.`, "now.")).not.toContain("handlebars");
  });

  it("lets a comment span lines", () => {
    const text = `${FRONT}{{!-- one\ntwo\n--}} three`;
    expect(scopesAt(text, "two")).toContain("comment.block.handlebars");
    expect(scopesAt(text, "three")).not.toContain("comment");
  });
});
