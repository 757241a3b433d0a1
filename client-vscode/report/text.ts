/** Controls, characters that turn the writing direction or have no width, and lone surrogates: they show their number. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\u2028\u2029]/gu;
const SHOWN_AS_THEY_ARE = new Set(["\n", "\t", "\u200c", "\u200d"]);

/** Text in which nothing hides. */
export function visible(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(UNSEEN, (char) =>
      SHOWN_AS_THEY_ARE.has(char) ? char : `<U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`,
    );
}
