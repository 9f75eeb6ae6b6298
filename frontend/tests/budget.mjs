/** What a page loads at first must stay small: each entry with all that it imports at once, gzipped. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT_KB = 180;
const dist = resolve(import.meta.dirname, "../../workflows/static/workflows/dist");
const manifest = JSON.parse(readFileSync(resolve(dist, "manifest.json"), "utf8"));

function files(key, seen = new Set()) {
  if (seen.has(key)) return [];
  seen.add(key);
  const chunk = manifest[key];
  return [chunk.file, ...(chunk.css ?? []), ...(chunk.imports ?? []).flatMap((name) => files(name, seen))];
}

let heavy = false;
for (const [key, chunk] of Object.entries(manifest).filter(([, chunk]) => chunk.isEntry)) {
  const bytes = [...new Set(files(key))].reduce((sum, file) => sum + gzipSync(readFileSync(resolve(dist, file))).length, 0);
  const size = bytes / 1000;
  heavy ||= size > LIMIT_KB;
  console.log(`${chunk.name}: ${size.toFixed(1)} kB gzip of ${LIMIT_KB}`);
}
process.exit(heavy ? 1 : 0);
