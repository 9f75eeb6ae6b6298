/** The document as text. A change touches the lines that it concerns: comments and the author's form stay. */

import type { Doc } from "./document";

export type Format = "yaml" | "json";

/** The text that says `after`, from the text that says `before`. JSON has no comments to keep: it is written anew. */
export async function patched(text: string, format: Format, before: Doc | null, after: Doc): Promise<string> {
  if (JSON.stringify(before) === JSON.stringify(after)) return text;
  if (format === "json") return `${JSON.stringify(after, null, 2)}\n`;
  const { edited } = await import("./tree");
  return edited(text, before, after);
}
