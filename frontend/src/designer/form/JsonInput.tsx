import { useState } from "react";

import { t } from "../../lib/i18n";
import type { Json } from "../document";
import type { ControlProps } from "./SchemaField";
import { textOf } from "./schema";

/** Any value: JSON, or a text with an expression. What cannot be read yet stays in the field and is said. */
export function JsonInput({ id, value, onChange, shape, describedBy, disabled }: ControlProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? textOf(value);
  const read = (next: string): { value: Json | undefined } | null => {
    if (next.trim() === "") return { value: undefined };
    try {
      return { value: JSON.parse(next) as Json };
    } catch {
      return /^\s*[[{"](?!\{|%)/.test(next) ? null : { value: next };
    }
  };
  const wrong = read(text) === null;
  return (
    <>
      <textarea
        id={id}
        className="ui-input"
        rows={text.includes("\n") ? 6 : 2}
        spellCheck={false}
        disabled={disabled}
        value={text}
        aria-describedby={describedBy}
        aria-invalid={wrong}
        placeholder={textOf(shape.schema.examples?.[0])}
        onChange={(event) => {
          setTyped(event.target.value);
          const found = read(event.target.value);
          if (found) onChange(found.value);
        }}
        onBlur={() => !wrong && setTyped(null)}
      />
      {wrong && <p className="ui-problems">{t("form.not_json")}</p>}
    </>
  );
}
