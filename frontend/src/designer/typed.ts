/** What is typed in the text view becomes the document as soon as the server can read it. */

import { readText } from "./server";
import { useDraft } from "./store";

/** Read what was typed; false when it cannot be read, and stays what it is. */
export async function readTyped(): Promise<boolean> {
  const { typed, source } = useDraft.getState();
  if (typed === null) return true;
  try {
    const says = await readText(typed, source.format);
    const now = useDraft.getState();
    if (now.typed !== typed) return readTyped(); // more was typed meanwhile
    now.change({ document: says, source: { text: typed, format: source.format, says } }, { key: "text" });
    return true;
  } catch (why) {
    if (useDraft.getState().typed !== typed) return readTyped();
    useDraft.setState({ unread: why });
    return false;
  }
}
