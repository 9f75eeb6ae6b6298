import { useMemo, useState } from "react";

import type { Problem } from "../lib/api";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { remove } from "./actions";
import { type Doc, tasksOf } from "./document";
import { edgesOf } from "./edges";
import { wordsOf } from "./problems";
import { titleOf } from "./Palette";
import type { TaskType } from "./server";

const SHOWN = 300;

interface Props {
  document: Doc;
  types: TaskType[];
  problems: Map<string, Problem[]>;
  selected: string[];
  onSelect: (ids: string[]) => void;
  editable: boolean;
}

/** The tasks as a table: the view for screen readers, for searching, and for very large DAGs. */
export function ListView({ document, types, problems, selected, onSelect, editable }: Props) {
  const [search, setSearch] = useState("");
  const upstreams = useMemo(() => {
    const found = new Map<string, string[]>();
    for (const { source, target } of edgesOf(document)) found.set(target, [...(found.get(target) ?? []), source]);
    return found;
  }, [document]);
  const words = search.trim().toLowerCase();
  const entries = tasksOf(document).filter(([id, fields]) => `${id} ${String(fields.name ?? "")} ${String(fields.type)}`.toLowerCase().includes(words));
  return (
    <div className="list-view">
      <input className="ui-input" type="search" aria-label={t("designer.search_tasks")} placeholder={t("designer.search_tasks")} value={search} onChange={(event) => setSearch(event.target.value)} />
      <table className="ui-table">
        <thead>
          <tr>
            <th scope="col">{t("field.id")}</th>
            <th scope="col">{t("field.type")}</th>
            <th scope="col">{t("field.depends_on")}</th>
            <th scope="col">{t("designer.problems")}</th>
            {editable && <td />}
          </tr>
        </thead>
        <tbody>
          {entries.slice(0, SHOWN).map(([id, fields]) => {
            const type = types.find((each) => each.name === fields.type);
            return (
              <tr key={id} className={selected.includes(id) ? "is-selected" : ""}>
                <th scope="row">
                  <button type="button" className="list-task" aria-pressed={selected.includes(id)} onClick={() => onSelect([id])}>
                    <Icon name={type?.icon ?? "box"} /> {id}
                  </button>
                </th>
                <td>{type ? titleOf(type) : String(fields.type ?? "")}</td>
                <td>{(upstreams.get(id) ?? []).join(", ") || "–"}</td>
                <td className="ui-problems">{(problems.get(id) ?? []).map(wordsOf).join(" · ")}</td>
                {editable && (
                  <td>
                    <Button icon="trash-2" bare look="ghost" label={t("form.remove", { name: id })} onClick={() => remove([id])} />
                  </td>
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
      {entries.length > SHOWN && <p className="ui-muted">{t("designer.more_tasks", { count: entries.length - SHOWN })}</p>}
    </div>
  );
}
