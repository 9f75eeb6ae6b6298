import { useState } from "react";

import { t } from "../../lib/i18n";
import type { ControlProps } from "./SchemaField";
import { jsonOf, jsonText, textOf } from "./schema";

/** Any value: JSON, or a text with an expression. What cannot be read yet stays in the field and is said. */
export function JsonInput({ id, value, onChange, shape, aria, disabled }: ControlProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? jsonText(value);
  const wrong = jsonOf(text) === null;
  return (
    <>
      <textarea
        id={id}
        className="ui-input"
        rows={text.includes("\n") ? 6 : 2}
        spellCheck={false}
        disabled={disabled}
        value={text}
        {...aria}
        aria-invalid={wrong || aria["aria-invalid"]}
        placeholder={textOf(shape.schema.examples?.[0])}
        onChange={(event) => {
          setTyped(event.target.value);
          const found = jsonOf(event.target.value);
          if (found) onChange(found.value);
        }}
        onBlur={() => !wrong && setTyped(null)}
      />
      {wrong && <p className="ui-problems">{t("form.not_json")}</p>}
    </>
  );
}
