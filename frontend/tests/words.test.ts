import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

import { describe, expect, it } from "vitest";

import { setLanguage, t } from "../src/lib/i18n";

const AREAS = ["shared", "designer", "run"];
const english = merged("en");
const chinese = merged("zh-hans");
const places = (text: string | undefined) => [...(text ?? "").matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();
// Chinese has one plural form.
const twin = (key: string) => key.replace(/_one$/, "_other");

function merged(language: string): Record<string, string> {
  const read = (area: string) => JSON.parse(readFileSync(resolve(import.meta.dirname, `../src/locales/${language}/${area}.json`), "utf8")) as Record<string, string>;
  return Object.assign({}, ...AREAS.map(read)) as Record<string, string>;
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = resolve(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return /\.tsx?$/.test(entry.name) && !entry.name.endsWith(".d.ts") ? [readFileSync(path, "utf8")] : [];
  });
}

describe("words", () => {
  it("are there in both languages, with the same places", () => {
    expect(Object.keys(english).map(twin).filter((key) => !(key in chinese))).toEqual([]);
    expect(Object.keys(chinese).filter((key) => !(key in english))).toEqual([]);
    for (const [key, text] of Object.entries(english)) {
      const missing = places(text).filter((place) => place !== "count" && !places(chinese[twin(key)]).includes(place));
      expect([key, missing]).toEqual([key, []]);
    }
  });

  it("are there for every key that the code names", () => {
    const code = sources(resolve(import.meta.dirname, "../src")).join("\n");
    const named = [...code.matchAll(/\bt\("([\w.]+)"/g)].map((found) => found[1] as string);
    expect(named.length).toBeGreaterThan(5);
    expect([...new Set(named)].filter((key) => !(key in english) && !(`${key}_other` in english))).toEqual([]);
  });

  it("are in the area that names them, or shared", () => {
    const of = (area: string) => JSON.parse(readFileSync(resolve(import.meta.dirname, `../src/locales/en/${area}.json`), "utf8")) as Record<string, string>;
    for (const [folder, areas] of [["designer", ["designer"]], ["runs", ["run"]], ["ui", []], ["graph", []], ["lib", []]] as const) {
      const known = Object.assign({}, of("shared"), ...areas.map(of)) as Record<string, string>;
      const code = sources(resolve(import.meta.dirname, "../src", folder)).join("\n");
      const named = [...code.matchAll(/\bt\("([\w.]+)"/g)].map((found) => found[1] as string);
      expect(named.filter((key) => !(key in known) && !(`${key}_other` in known))).toEqual([]);
    }
  });

  it("follow the plural rules of the language", async () => {
    expect(t("graph.problems", { count: 1 })).toBe("1 problem");
    expect(t("graph.problems", { count: 1200 })).toBe("1,200 problems");
    await setLanguage("zh-hans");
    expect(t("graph.problems", { count: 1 })).toBe("1 个问题");
    await setLanguage("en");
  });
});
