import { useState } from "react";

import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import { type Fields, isFields, type Json } from "../document";
import type { ControlProps } from "./SchemaField";
import { scalarOf, scalarText } from "./schema";

type Row = [key: string, text: string];

/** Names with their values. A name that is being typed, or is there twice, is kept in the form until it can be used. */
export function MapInput({ id, value, onChange, shape, disabled }: ControlProps) {
  const given: Fields = isFields(value) ? value : {};
  const texts = typeof shape.schema.additionalProperties === "object" && shape.schema.additionalProperties.type === "string";
  const write = (each: Json) => (texts && typeof each === "string" ? each : scalarText(each));
  const read = (text: string): Json => (texts ? text : scalarOf(text));
  const [rows, setRows] = useState<Row[]>(() => Object.entries(given).map(([key, each]) => [key, write(each)]));
  const current = matches(rows, given, read) ? rows : Object.entries(given).map(([key, each]): Row => [key, write(each)]);
  const put = (next: Row[]) => {
    setRows(next);
    const named = Object.fromEntries(next.filter(([key]) => key !== "").map(([key, text]) => [key, read(text)]));
    onChange(Object.keys(named).length ? named : undefined);
  };
  const change = (at: number, row: Row) => put(current.map((each, index) => (index === at ? row : each)));
  return (
    <div className="form-rows">
      {current.map(([key, text], at) => (
        <div className="form-row" key={at}>
          <input id={at === 0 ? id : undefined} className="ui-input" disabled={disabled} value={key} aria-label={t("form.name")} placeholder={t("form.name")} onChange={(event) => change(at, [event.target.value, text])} />
          <input className="ui-input" disabled={disabled} value={text} aria-label={t("form.value_of", { name: key })} placeholder={t("form.value")} onChange={(event) => change(at, [key, event.target.value])} />
          <Button icon="x" bare look="ghost" disabled={disabled} label={t("form.remove", { name: key || String(at + 1) })} onClick={() => put(current.filter((_, index) => index !== at))} />
        </div>
      ))}
      <Button id={current.length ? undefined : id} icon="plus" look="ghost" disabled={disabled} label={t("form.add")} onClick={() => put([...current, ["", ""]])} />
    </div>
  );
}

function matches(rows: Row[], given: Fields, read: (text: string) => Json): boolean {
  const named = rows.filter(([key]) => key !== "");
  const keys = Object.keys(given);
  return new Set(named.map(([key]) => key)).size === keys.length && named.every(([key, text]) => key in given && JSON.stringify(read(text)) === JSON.stringify(given[key]));
}
