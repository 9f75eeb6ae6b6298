import { t } from "../../lib/i18n";
import { Button } from "../../ui/Button";
import type { Json } from "../document";
import type { ControlProps } from "./SchemaField";
import { textOf } from "./schema";

/** A list of texts, one input for each. */
export function ListInput({ id, value, onChange, disabled }: ControlProps) {
  const items: Json[] = Array.isArray(value) ? value : [];
  const put = (next: Json[]) => onChange(next.length ? next : undefined);
  return (
    <div className="form-rows">
      {items.map((item, at) => (
        <div className="form-row" key={at}>
          <input
            id={at === 0 ? id : undefined}
            className="ui-input"
            disabled={disabled}
            value={textOf(item)}
            aria-label={t("form.item", { count: at + 1 })}
            onChange={(event) => put(items.map((each, index) => (index === at ? event.target.value : each)))}
          />
          <Button icon="x" bare look="ghost" disabled={disabled} label={t("form.remove", { name: textOf(item) || String(at + 1) })} onClick={() => put(items.filter((_, index) => index !== at))} />
        </div>
      ))}
      <Button id={items.length ? undefined : id} icon="plus" look="ghost" disabled={disabled} label={t("form.add")} onClick={() => put([...items, ""])} />
    </div>
  );
}
