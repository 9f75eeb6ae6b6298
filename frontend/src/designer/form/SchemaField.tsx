import { useId, useState } from "react";

import { hasWords, said, t } from "../../lib/i18n";
import { Field, ariaOf } from "../../ui/Field";
import { type Fields, isFields, type Json } from "../document";
import { JsonInput } from "./JsonInput";
import { ListInput } from "./ListInput";
import { MapInput } from "./MapInput";
import { SchemaForm } from "./SchemaForm";
import { numberOf, type Schema, type Shape, shapeOf, textOf } from "./schema";

interface Props {
  name: string;
  schema: Schema;
  root: Schema;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  required: boolean;
  path: string;
  problemsAt: (path: string) => string[];
  disabled?: boolean;
}

/** What a control of a form is given. */
export interface ControlProps {
  id: string;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
  shape: Shape;
  aria: ReturnType<typeof ariaOf>;
  disabled?: boolean;
}

/** One property: its label, its control, what it is for, and what is wrong with it. */
export function SchemaField(props: Props) {
  const { name, schema, root, value, required, path, problemsAt } = props;
  const id = useId();
  const found = shapeOf(name, schema, root, value);
  const shape = { ...found, hint: said(found.hint) };
  const label = hasWords(`field.${name}`) ? t(`field.${name}`) : said(shape.title);
  const problems = problemsAt(path);
  if (shape.kind === "object") return <Nested {...props} label={label} shape={shape} />;
  const control = { id, value, onChange: props.onChange, shape, aria: ariaOf(id, { hint: shape.hint, problems, required }), disabled: props.disabled };
  return (
    <Field id={id} label={label} hint={shape.hint} problems={problems} required={required} group={shape.kind === "list" || shape.kind === "map"}>
      <Control {...control} />
    </Field>
  );
}

function Nested({ schema: _, shape, label, value, root, path, problemsAt, onChange, disabled }: Props & { shape: Shape; label: string }) {
  const fields: Fields = isFields(value) ? value : {};
  return (
    <details className="form-nested" open={Object.keys(fields).length > 0}>
      <summary>
        {label} <span className="ui-muted">{Object.keys(fields).join(", ")}</span>
      </summary>
      {shape.hint && <p className="ui-hint">{shape.hint}</p>}
      <SchemaForm
        schema={shape.schema}
        root={root}
        value={fields}
        path={path}
        problemsAt={problemsAt}
        disabled={disabled}
        onChange={(next) => onChange(Object.keys(next).length ? next : undefined)}
      />
    </details>
  );
}

function Control(props: ControlProps) {
  const { id, value, onChange, shape, disabled } = props;
  const common = { id, disabled, className: "ui-input", ...props.aria };
  const example = textOf(shape.schema.examples?.[0]);
  switch (shape.kind) {
    case "choice":
      return (
        <select {...common} value={textOf(value)} onChange={(event) => onChange(shape.choices.find((each) => textOf(each) === event.target.value))}>
          <option value="">{placeholderOf(shape) || "–"}</option>
          {shape.choices.map((each) => (
            <option key={textOf(each)} value={textOf(each)}>
              {textOf(each)}
            </option>
          ))}
        </select>
      );
    case "boolean":
      return (
        <select {...common} value={textOf(value)} onChange={(event) => onChange(event.target.value ? event.target.value === "true" : undefined)}>
          <option value="">{placeholderOf(shape) || "–"}</option>
          <option value="true">{t("form.yes")}</option>
          <option value="false">{t("form.no")}</option>
        </select>
      );
    case "lines":
      return <textarea {...common} rows={6} spellCheck={false} value={textOf(value)} placeholder={example} onChange={(event) => onChange(event.target.value || undefined)} />;
    case "list":
      return <ListInput {...props} />;
    case "map":
      return <MapInput {...props} />;
    case "any":
      return <JsonInput {...props} />;
    case "number":
      return <NumberControl {...props} placeholder={placeholderOf(shape) || example} />;
    default:
      return <TextControl {...props} placeholder={placeholderOf(shape) || example} />;
  }
}

/** What is typed stays while it is typed: "1." is 1 already, and is not done yet. */
function NumberControl({ id, value, onChange, aria, disabled, placeholder }: ControlProps & { placeholder: string }) {
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <input
      id={id}
      disabled={disabled}
      className="ui-input"
      {...aria}
      inputMode="decimal"
      value={typed ?? textOf(value)}
      placeholder={placeholder}
      onChange={(event) => {
        setTyped(event.target.value);
        onChange(numberOf(event.target.value));
      }}
      onBlur={() => setTyped(null)}
    />
  );
}

const INPUT_TYPES: Record<string, string> = { date: "date", "date-time": "text", time: "time", email: "email", uri: "url" };

function TextControl({ id, value, onChange, shape, disabled, aria, placeholder }: ControlProps & { placeholder: string }) {
  const text = textOf(value);
  const type = text.includes("{{") ? "text" : (INPUT_TYPES[shape.schema.format ?? ""] ?? "text");
  return (
    <input
      id={id}
      disabled={disabled}
      className="ui-input"
      {...aria}
      type={type}
      spellCheck={false}
      value={text}
      placeholder={placeholder}
      onChange={(event) => onChange(event.target.value === "" ? undefined : event.target.value)}
    />
  );
}

/** What holds when nothing is given, in words. */
function placeholderOf({ schema }: Shape): string {
  const value = schema.default;
  return value === undefined || value === null || value === "" || typeof value === "object" ? "" : t("form.default", { value: textOf(value) });
}
