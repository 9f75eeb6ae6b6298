import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { beforeAll, describe, expect, it } from "vitest";

import type { Fields } from "../src/designer/document";
import { fieldsOf, jsonOf, jsonText, numberOf, type Schema, scalarOf, scalarText, shapeOf } from "../src/designer/form/schema";
import { SchemaForm } from "../src/designer/form/SchemaForm";
import { setLanguage } from "../src/lib/i18n";
import english from "../src/locales/en/designer.json";

beforeAll(() => setLanguage("en", { english, chinese: () => import("../src/locales/zh-hans/designer.json") }));

const SCHEMA: Schema = {
  properties: {
    note: { type: "string", default: "none", description: "What to say." },
    count: { anyOf: [{ type: "integer" }, { type: "null" }] },
    tags: { type: "array", items: { type: "string" } },
    env: { type: "object", additionalProperties: { type: "string" } },
    headers: { type: "object", additionalProperties: { type: "string" } },
    body: {},
    inner: { $ref: "#/$defs/Inner" },
  },
  required: ["count"],
  $defs: { Inner: { type: "object", properties: { deep: { type: "boolean" } } } },
};

function form(value: Fields, problemsAt: (path: string) => string[] = () => []): string {
  return renderToStaticMarkup(createElement(SchemaForm, { schema: SCHEMA, root: SCHEMA, value, onChange: () => undefined, problemsAt }));
}

describe("what kind of control a value wants", () => {
  it("follows references, leaves null out, and puts what is required first", () => {
    expect(fieldsOf(SCHEMA).map(([name, , required]) => [name, required])[0]).toEqual(["count", true]);
    const kinds = fieldsOf(SCHEMA).map(([name, schema]) => [name, shapeOf(name, schema, SCHEMA).kind]);
    expect(Object.fromEntries(kinds)).toEqual({ note: "text", count: "number", tags: "list", env: "map", headers: "map", body: "any", inner: "object" });
  });

  it("gives way to what the value is", () => {
    const kind = (schema: Schema, value: Fields[string]) => shapeOf("x", schema, SCHEMA, value).kind;
    expect(kind({ type: "array", items: { type: "string" } }, "{{ params.list }}")).toBe("any");
    expect(kind({ type: "boolean" }, "{{ params.yes }}")).toBe("text");
    expect(kind({ type: "string" }, "one\ntwo")).toBe("lines");
    expect(kind({ enum: ["a"] }, "{{ params.a }}")).toBe("any");
  });
});

describe("what is typed", () => {
  it("for a number is a number, or the text of an expression", () => {
    expect(["1.5", "1.", "-2", " 7 ", "", "{{ x }}", "0x10", "-"].map(numberOf)).toEqual([1.5, 1, -2, 7, undefined, "{{ x }}", "0x10", "-"]);
  });

  it("for any value is JSON or a text, and comes back as it was", () => {
    expect([jsonOf('{"a": 1}')?.value, jsonOf("[1, 2")?.value, jsonOf("{{ x }}")?.value, jsonOf(" ")]).toEqual([{ a: 1 }, undefined, "{{ x }}", { value: undefined }]);
    expect(jsonOf("[1")).toBeNull();
    for (const value of ["5", "true", "null", "[1", '"', "plain", "{{ x }}", 5, true, [1], { a: "5" }]) expect(jsonOf(jsonText(value))?.value).toEqual(value);
    // Another digit behind the text "5" leaves it a text.
    expect(jsonText("5")).toBe('"5"');
  });

  it("for a value of a map comes back as it was", () => {
    for (const value of ["5", "true", "a", "", "{{ x }}", "[", 5, null, ["a"]]) expect(scalarOf(scalarText(value))).toEqual(value);
  });
});

describe("read aloud", () => {
  it("lists and maps are groups with the label of their field", () => {
    const html = form({ tags: ["a"], env: { HOME: "/" }, headers: { Accept: "*" } });
    const names = [...html.matchAll(/role="group" aria-labelledby="([^"]+)"/g)].map(([, id]) => new RegExp(`id="${id}">([^<]+)`).exec(html)?.[1]);
    expect(names).toEqual(["Tags", "Environment", "Headers"]);
    expect(html).not.toMatch(/<label for="[^"]*">(Tags|Environment)/);
  });

  it("a field says that it is required, that it is wrong, and why", () => {
    const html = form({ count: 1 }, (path) => (path === "count" ? ["is too small"] : []));
    const input = /<input[^>]*inputMode="decimal"[^>]*>/i.exec(html)?.[0] ?? "";
    expect(input).toContain('aria-required="true"');
    expect(input).toContain('aria-invalid="true"');
    const described = /aria-describedby="([^"]+)"/.exec(input)?.[1];
    expect(html).toContain(`id="${described}"><li>is too small`);
    expect(html.match(/aria-required/g)).toHaveLength(1);
  });

  it("a field shows what holds when it is left empty", () => {
    expect(form({})).toContain('placeholder="default: none"');
  });
});
