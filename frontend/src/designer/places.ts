/** Where the tasks of a draft are shown. */

import { completed } from "../graph/layered";
import type { Positions } from "../graph/types";
import { type Doc, tasksOf } from "./document";
import { edgesOf } from "./edges";

/** Every task's place; those that nobody placed stand beside their upstreams. */
export function placesOf(doc: Doc, positions: Positions): Positions {
  const ids = tasksOf(doc).map(([id]) => id);
  return ids.every((id) => positions[id]) ? positions : completed(ids, edgesOf(doc), positions);
}
