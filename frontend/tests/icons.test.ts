import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

import { expect, it } from "vitest";

const source = resolve(import.meta.dirname, "../src");

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = resolve(folder, entry.name);
    return entry.isDirectory() ? files(path) : /\.tsx?$/.test(entry.name) ? [path] : [];
  });
}

it("there is a picture for every name that the code uses", () => {
  const table = /const ICONS[^{]*\{([^}]*)\}/.exec(readFileSync(resolve(source, "ui/Icon.tsx"), "utf8"))?.[1] ?? "";
  const known = new Set([...table.matchAll(/"?([\w-]+)"?:/g)].map((found) => found[1]));
  const text = files(source).map((file) => readFileSync(file, "utf8")).join("\n");
  const used = [...text.matchAll(/\bicon(?:=|: )"([a-z\d-]+)"|<Icon name="([a-z\d-]+)"/g)].map((found) => found[1] ?? found[2]);
  expect(used.length).toBeGreaterThan(10);
  expect([...new Set(used)].filter((name) => !known.has(name))).toEqual([]);
});
