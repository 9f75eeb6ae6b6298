/** Words in the page's language: flat keys, `{places}`, plurals by the language's own rules. */

import shared from "../locales/en/shared.json";

export type Words = Record<string, string>;
export type Values = Record<string, string | number>;

/** The words of one entry alone, beside those that all share. */
export interface Area {
  english: Words;
  chinese: () => Promise<{ default: Words }>;
}

let english: Words = shared;
let words: Words = english;
let language = "en";

/** Load the words of a language, shared and of areas; English stands in for what is missing. */
export async function setLanguage(code: string, ...areas: Area[]): Promise<void> {
  english = Object.assign({}, shared, ...areas.map((area) => area.english)) as Words;
  language = code.toLowerCase().startsWith("zh") ? "zh-hans" : "en";
  if (language === "en") {
    words = english;
    return;
  }
  const parts = [import("../locales/server.zh-hans.json"), import("../locales/zh-hans/shared.json"), ...areas.map((area) => area.chinese())];
  words = Object.assign({}, ...(await Promise.all(parts)).map((part) => part.default)) as Words;
}

/** What the server says in English (names and descriptions of fields), in the page's language where that is known. */
export function said(text: string): string {
  return words[text] ?? text;
}

/** The page's language, as Intl knows it. */
export function locale(): string {
  return language === "zh-hans" ? "zh-Hans" : "en";
}

/** The text of a key. With `count` among the values, `key_one` or `key_other` is chosen. */
export function t(key: string, values: Values = {}): string {
  const text = found(key, values.count);
  return text.replace(/\{(\w+)\}/g, (place, name: string) => shown(values[name]) ?? place);
}

function found(key: string, count: string | number | undefined): string {
  if (typeof count === "number") {
    const plural = `${key}_${new Intl.PluralRules(locale()).select(count)}`;
    const text = words[plural] ?? words[`${key}_other`] ?? english[`${key}_other`];
    if (text !== undefined) return text;
  }
  return words[key] ?? english[key] ?? key;
}

function shown(value: string | number | undefined): string | undefined {
  return typeof value === "number" ? new Intl.NumberFormat(locale()).format(value) : value;
}

/** Whether there are words for a key. */
export function hasWords(key: string): boolean {
  return key in words || key in english;
}
