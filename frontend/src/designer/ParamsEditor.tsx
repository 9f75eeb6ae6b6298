import { useState } from "react";

import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { editDocument } from "./actions";
import { type Fields, isFields, type Json, withSection } from "./document";
import type { Schema } from "./form/schema";
import { SchemaForm } from "./form/SchemaForm";
import { useDraft } from "./store";

interface Props {
  schema: Schema;
  value: Json | undefined;
  problems: string[];
  disabled: boolean;
}

/** The parameters of a run: what the launch form asks for. */
export function ParamsEditor({ schema, value, problems, disabled }: Props) {
  const document = useDraft((state) => state.document);
  const [name, setName] = useState("");
  const params: Fields = isFields(value) ? value : {};
  const put = (next: Fields, key: string) => editDocument(withSection(document, "params", next), `params.${key}`);
  const add = () => {
    if (!/^[A-Za-z_]\w{0,99}$/.test(name) || name in params) return;
    put({ ...params, [name]: { type: "string" } }, name);
    setName("");
  };
  return (
    <details className="form-nested" open={Object.keys(params).length > 0}>
      <summary>
        {t("field.params")} <span className="ui-muted">{Object.keys(params).length || ""}</span>
      </summary>
      {problems.length > 0 && (
        <ul className="ui-problems">
          {problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
      {Object.entries(params).map(([key, spec]) => (
        <details className="form-nested" key={key}>
          <summary>
            <span className="ui-mono">{key}</span> <span className="ui-muted">{isFields(spec) ? String(spec.type ?? "string") : ""}</span>
          </summary>
          <SchemaForm schema={{ $ref: "#/$defs/ParamSpec" }} root={schema} value={isFields(spec) ? spec : {}} disabled={disabled} onChange={(next) => put({ ...params, [key]: next }, key)} />
          {!disabled && (
            <Button icon="trash-2" look="danger" label={t("form.remove", { name: key })} onClick={() => put(Object.fromEntries(Object.entries(params).filter(([each]) => each !== key)), key)} />
          )}
        </details>
      ))}
      {!disabled && (
        <div className="form-row">
          <input
            className="ui-input ui-mono"
            aria-label={t("designer.new_param")}
            placeholder={t("designer.new_param")}
            value={name}
            onChange={(event) => setName(event.target.value)}
            onKeyDown={(event) => event.key === "Enter" && add()}
          />
          <Button icon="plus" label={t("form.add")} disabled={!name} onClick={add} />
        </div>
      )}
    </details>
  );
}
