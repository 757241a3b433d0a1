/** A name that a workspace chose, as text for a message: nothing invisible, and no link that Visual Studio Code would open. */
export function plain(text: string): string {
  const visible = text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`);
  return visible.replaceAll("](", "] (");
}
