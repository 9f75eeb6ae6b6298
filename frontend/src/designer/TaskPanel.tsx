import { useEffect, useId, useMemo, useState } from "react";

import type { Problem } from "../lib/api";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { ariaOf, Field } from "../ui/Field";
import { Icon } from "../ui/Icon";
import { editTask, remove, renameTask } from "./actions";
import { CHOOSERS } from "./choices";
import { DependsOn } from "./DependsOn";
import { type Fields, isFields, tasksOf, withKey } from "./document";
import { resolve, type Schema } from "./form/schema";
import { SchemaForm } from "./form/SchemaForm";
import { titleOf } from "./Palette";
import { atField, placeOf, unplaced, wordsOf } from "./problems";
import type { TaskType } from "./server";
import { useDraft } from "./store";

const SHORTHANDS = ["command", "script", "image"];
const FIRST = ["name", "description"];
const LATER = [
  "trigger_rule", "condition", "foreach", "foreach_concurrency", "pool", "pool_slots", "priority", "timeout", "retry", "resources", "allow_failure", "at_most_once",
];

interface Props {
  id: string;
  types: TaskType[];
  schema: Schema;
  problems: Problem[];
  editable: boolean;
}

/** The side panel of one task: its parameters first, then when and where it runs. */
export function TaskPanel({ id, types, schema, problems, editable }: Props) {
  const document = useDraft((state) => state.document);
  const entries = useMemo(() => tasksOf(document), [document]);
  const ids = useMemo(() => entries.map(([known]) => known), [entries]);
  const index = entries.findIndex(([known]) => known === id);
  const fields = entries[index]?.[1];
  const type = types.find((each) => each.name === fields?.type);
  const task = useMemo(() => resolve({ $ref: "#/$defs/TaskSpec" }, schema), [schema]);
  if (!fields) return null;
  const place = placeOf(id, index, Array.isArray(document.tasks));
  const at = (field: string) => atField(problems, place, field);
  const fieldsShown = new Set(["id", "depends_on", ...FIRST, ...LATER, ...Object.keys(type?.parameters.properties ?? {})]);
  const general = unplaced(problems, place, fieldsShown);
  const chooser = CHOOSERS[String(fields.type)];
  const own = chooser ? [chooser.by, ...chooser.sides] : [];
  return (
    <div className="task-panel" data-testid="task-panel">
      <header className="task-head">
        <Icon name={type?.icon ?? "box"} size={20} />
        <TypeChoice fields={fields} types={types} disabled={!editable} onChange={(name) => editTask(id, (old) => ({ ...old, type: name }))} />
        {editable && <Button icon="trash-2" bare look="ghost" className="ui-danger" label={t("designer.delete_task")} onClick={() => remove([id])} />}
      </header>
      {general.length > 0 && (
        <ul className="ui-problems" role="status">
          {general.map((problem) => (
            <li key={problem.code + problem.path}>{wordsOf(problem)}</li>
          ))}
        </ul>
      )}
      <IdField id={id} disabled={!editable} problems={at("id")} />
      {type ? (
        <SchemaForm
          schema={type.parameters}
          root={type.parameters}
          value={parametersOf(fields, own)}
          problemsAt={at}
          disabled={!editable}
          onChange={(next, name) => editTask(id, (old) => withParameter(old, name, next[name], own), name)}
        />
      ) : (
        <p className="ui-problems">{t("designer.unknown_type", { type: String(fields.type) })}</p>
      )}
      <DependsOn id={id} document={document} ids={ids} problems={at("depends_on")} disabled={!editable} />
      <SchemaForm schema={task} root={schema} only={FIRST} value={fields} problemsAt={at} disabled={!editable} onChange={(next, name) => editTask(id, () => next, name)} />
      <details className="form-nested" open={LATER.some((name) => name in fields && !own.includes(name))}>
        <summary>{t("designer.when_and_where")}</summary>
        <SchemaForm
          schema={task}
          root={schema}
          only={LATER}
          without={own}
          value={fields}
          problemsAt={at}
          disabled={!editable}
          onChange={(next, name) => editTask(id, () => next, name)}
        />
      </details>
    </div>
  );
}

function parametersOf(fields: Fields, own: string[]): Fields {
  const inner = isFields(fields.parameters) ? fields.parameters : {};
  const short = [...SHORTHANDS, ...own].filter((name) => name in fields).map((name) => [name, fields[name]]);
  return { ...inner, ...Object.fromEntries(short) } as Fields;
}

/** Set a parameter where it is written already, else as the shorthand that the type has for it. */
function withParameter(fields: Fields, name: string, value: Fields[string] | undefined, own: string[]): Fields {
  const inner = isFields(fields.parameters) ? fields.parameters : {};
  const short = SHORTHANDS.includes(name) || own.includes(name);
  if (name in fields || (short && !(name in inner))) return withKey(fields, name, value);
  const next = withKey(inner, name, value);
  return withKey(fields, "parameters", Object.keys(next).length ? next : undefined);
}

function TypeChoice({ fields, types, disabled, onChange }: { fields: Fields; types: TaskType[]; disabled: boolean; onChange: (name: string) => void }) {
  const known = types.some((type) => type.name === fields.type);
  return (
    <select className="ui-input ui-grow" aria-label={t("field.type")} disabled={disabled} value={String(fields.type ?? "")} onChange={(event) => onChange(event.target.value)}>
      {!known && <option value={String(fields.type ?? "")}>{String(fields.type ?? "–")}</option>}
      {types.map((type) => (
        <option key={type.name} value={type.name}>
          {titleOf(type)}
        </option>
      ))}
    </select>
  );
}

/** The id is changed when the field is left or Enter is pressed: it renames the task everywhere. */
function IdField({ id, disabled, problems }: { id: string; disabled: boolean; problems: string[] }) {
  const [typed, setTyped] = useState(id);
  const [refused, setRefused] = useState(false);
  const name = useId();
  useEffect(() => {
    setTyped(id);
    setRefused(false);
  }, [id]);
  const wrong = refused ? [t("designer.bad_id")] : problems;
  const apply = () => setRefused(!renameTask(id, typed.trim()));
  return (
    <Field id={name} label={t("field.id")} problems={wrong} required>
      <input
        id={name}
        className="ui-input ui-mono"
        disabled={disabled}
        {...ariaOf(name, { problems: wrong, required: true })}
        value={typed}
        spellCheck={false}
        onChange={(event) => setTyped(event.target.value)}
        onBlur={apply}
        onKeyDown={(event) => event.key === "Enter" && apply()}
      />
    </Field>
  );
}
