import { visible } from "./text";

/** The attribute by which a control is known again when the page is drawn anew. */
export const KEY = "data-key";

type Child = Node | string | undefined;

/** A new element. Text stays text: nothing here is ever read as markup, and nothing in it hides. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    made.setAttribute(attribute, value);
  }
  made.append(
    ...children.filter((child) => child !== undefined).map((child) => (typeof child === "string" ? visible(child) : child)),
  );
  return made;
}

/** A table with a caption for those who do not see it; cells that are numbers stand to the right. */
export function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly (Node | string | number)[])[],
): HTMLElement {
  const cell = (content: Node | string | number): HTMLElement =>
    typeof content === "number"
      ? element("td", { class: "number" }, content.toLocaleString("en-US"))
      : element("td", {}, content);
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption, [KEY]: caption },
    element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell)))),
    ),
  );
}

/** A part of the page with its heading; nothing where it has no content. */
export function section(heading: string, ...children: readonly Child[]): HTMLElement | undefined {
  return children.some((child) => child !== undefined)
    ? element("section", {}, element("h2", {}, heading), ...children)
    : undefined;
}
