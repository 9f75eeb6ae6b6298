import type { Problem } from "../lib/api";
import { t } from "../lib/i18n";
import { editDocument } from "./actions";
import { isFields, withSection } from "./document";
import type { Schema } from "./form/schema";
import { SchemaForm } from "./form/SchemaForm";
import { ParamsEditor } from "./ParamsEditor";
import { unplaced, wordsOf } from "./problems";
import { ScheduleEditor } from "./ScheduleEditor";
import { useDraft } from "./store";

const OWN = ["name", "description"];
const SHOWN = new Set([...OWN, "params", "schedule", "config", "defaults"]);

/** The side panel while no task is selected: what the document says of the DAG itself. */
export function DagPanel({ schema, problems, editable, isNew }: { schema: Schema; problems: Problem[]; editable: boolean; isNew: boolean }) {
  const document = useDraft((state) => state.document);
  const at = (path: string) =>
    problems.filter(({ path: found }) => found === path || found.startsWith(`${path}.`) || found.startsWith(`${path}[`)).map(wordsOf);
  const form = { root: schema, problemsAt: at, disabled: !editable };
  const config = isFields(document.config) ? document.config : {};
  const general = unplaced(problems.filter((problem) => !problem.tasks.length), "", isNew ? new Set([...SHOWN, "id"]) : SHOWN);
  return (
    <div className="task-panel" data-testid="dag-panel">
      {general.length > 0 && (
        <ul className="ui-problems" role="status">
          {general.map((problem) => (
            <li key={problem.code + problem.path}>
              {problem.path && <code>{problem.path}</code>} {wordsOf(problem)}
            </li>
          ))}
        </ul>
      )}
      <SchemaForm {...form} schema={schema} only={isNew ? ["id", ...OWN] : OWN} value={document} onChange={(next, name) => editDocument(next, name)} />
      <ParamsEditor schema={schema} value={document.params} problems={at("params")} disabled={!editable} />
      <ScheduleEditor schema={schema} value={document.schedule} problemsAt={at} disabled={!editable} />
      <details className="form-nested" open={Object.keys(config).length > 0}>
        <summary>{t("designer.limits")}</summary>
        <SchemaForm
          {...form}
          schema={{ $ref: "#/$defs/ConfigSpec" }}
          path="config"
          value={config}
          onChange={(next, name) => editDocument(withSection(document, "config", next), `config.${name}`)}
        />
      </details>
      <details className="form-nested" open={isFields(document.defaults)}>
        <summary>{t("designer.defaults")}</summary>
        <SchemaForm
          {...form}
          schema={{ $ref: "#/$defs/TaskDefaults" }}
          path="defaults"
          value={isFields(document.defaults) ? document.defaults : {}}
          onChange={(next, name) => editDocument(withSection(document, "defaults", next), `defaults.${name}`)}
        />
      </details>
    </div>
  );
}
