import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

import { describe, expect, it } from "vitest";

import { setLanguage, t } from "../src/lib/i18n";
import en from "../src/locales/en.json";
import zh from "../src/locales/zh-hans.json";

const english: Record<string, string> = en;
const chinese: Record<string, string> = zh;
const places = (text: string | undefined) => [...(text ?? "").matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();
// Chinese has one plural form.
const twin = (key: string) => key.replace(/_one$/, "_other");

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

  it("follow the plural rules of the language", async () => {
    expect(t("graph.problems", { count: 1 })).toBe("1 problem");
    expect(t("graph.problems", { count: 1200 })).toBe("1,200 problems");
    await setLanguage("zh-hans");
    expect(t("graph.problems", { count: 1 })).toBe("1 个问题");
    await setLanguage("en");
  });
});
