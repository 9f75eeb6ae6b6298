/** A form from a JSON Schema: one field for each property, problems beside the fields that have them. */

import { type Fields, type Json, withKey } from "../document";
import { SchemaField } from "./SchemaField";
import { fieldsOf, resolve, type Schema } from "./schema";

export interface FormProps {
  schema: Schema;
  root: Schema;
  value: Fields;
  onChange: (value: Fields, name: string) => void;
  /** The problems of the field at a path under this form. */
  problemsAt?: (path: string) => string[];
  path?: string;
  /** Leave these out. */
  without?: readonly string[];
  only?: readonly string[];
  disabled?: boolean;
}

/** The fields of an object. */
export function SchemaForm({ schema, root, value, onChange, problemsAt = () => [], path = "", without = [], only, disabled }: FormProps) {
  const shown = fieldsOf(resolve(schema, root)).filter(([name]) => !without.includes(name) && (!only || only.includes(name)));
  return (
    <>
      {shown.map(([name, inner, required]) => (
        <SchemaField
          key={name}
          name={name}
          schema={inner}
          root={root}
          required={required}
          value={value[name]}
          path={path ? `${path}.${name}` : name}
          problemsAt={problemsAt}
          disabled={disabled}
          onChange={(next: Json | undefined) => onChange(withKey(value, name, next), name)}
        />
      ))}
    </>
  );
}
