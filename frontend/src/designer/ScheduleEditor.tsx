import { useQuery } from "@tanstack/react-query";
import { useEffect, useId, useState } from "react";

import { api } from "../lib/api";
import { locale, t } from "../lib/i18n";
import { editDocument } from "./actions";
import { type Fields, isFields, type Json, withSection } from "./document";
import type { Schema } from "./form/schema";
import { SchemaForm } from "./form/SchemaForm";
import { useDraft } from "./store";

const KINDS = ["cron", "interval", "at", "after"] as const;
const OTHERS = ["timezone", "catchup", "overlap", "start", "end", "jitter"];
const FIRST: Record<string, Json> = { cron: "0 2 * * *", interval: "1h", at: "", after: [] };

interface Props {
  schema: Schema;
  value: Json | undefined;
  problemsAt: (path: string) => string[];
  disabled: boolean;
}

/** When runs start by themselves, and when that would be. */
export function ScheduleEditor({ schema, value, problemsAt, disabled }: Props) {
  const id = useId();
  const document = useDraft((state) => state.document);
  const spec: Fields = typeof value === "string" ? { cron: value } : isFields(value) ? value : {};
  const kind = KINDS.find((each) => each in spec) ?? "";
  const put = (next: Fields | undefined, field: string) => editDocument(withSection(document, "schedule", next), `schedule.${field}`);
  const choose = (next: string) => {
    const kept = Object.fromEntries(Object.entries(spec).filter(([name]) => OTHERS.includes(name)));
    put(next ? { [next]: FIRST[next] ?? "", ...kept } : undefined, "");
  };
  return (
    <details className="form-nested" open={kind !== ""}>
      <summary>
        {t("field.schedule")} <span className="ui-muted">{kind && String(spec[kind])}</span>
      </summary>
      <div className="ui-field">
        <label htmlFor={id}>{t("designer.schedule_kind")}</label>
        <select id={id} className="ui-input" value={kind} disabled={disabled} onChange={(event) => choose(event.target.value)}>
          <option value="">{t("designer.schedule_none")}</option>
          {KINDS.map((each) => (
            <option key={each} value={each}>
              {t(`designer.schedule_${each}`)}
            </option>
          ))}
        </select>
      </div>
      {kind && (
        <SchemaForm
          schema={{ $ref: "#/$defs/ScheduleSpec" }}
          root={schema}
          path="schedule"
          only={[kind, ...OTHERS]}
          value={spec}
          problemsAt={problemsAt}
          disabled={disabled}
          onChange={(next, name) => put(next, name)}
        />
      )}
      {kind && <NextRuns spec={spec} />}
    </details>
  );
}

/** The next runs of a schedule, as the server works them out. */
function NextRuns({ spec }: { spec: Fields }) {
  const [settled, setSettled] = useState(spec);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(spec), 400);
    return () => clearTimeout(timer);
  }, [spec]);
  const { data } = useQuery({
    queryKey: ["schedule-preview", JSON.stringify(settled)],
    queryFn: () => api.post("/schedules/preview", { body: { schedule: settled, count: 5, after: null } }),
    placeholderData: (before) => before,
  });
  if (!data?.valid || !data.upcoming.length) return null;
  const zone = typeof settled.timezone === "string" ? settled.timezone : "UTC";
  const format = new Intl.DateTimeFormat(locale(), { weekday: "short", year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone: zone });
  return (
    <div className="next-runs" aria-live="polite">
      <p className="ui-hint">
        {t("designer.next_runs")} ({zone})
      </p>
      <ol>
        {data.upcoming.map((each) => (
          <li key={each.starts_at}>
            <time dateTime={each.starts_at}>{format.format(new Date(each.starts_at))}</time>
          </li>
        ))}
      </ol>
    </div>
  );
}
