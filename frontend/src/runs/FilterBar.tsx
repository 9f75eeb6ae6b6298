import { useMemo } from "react";

import { t } from "../lib/i18n";
import { Icon, lookOf } from "../ui";
import { setAddress, useParam } from "./address";
import type { TaskPicture } from "./types";
import { stateWord } from "./words";

const ORDER = [
  "failed", "upstream_failed", "running", "retrying", "queued", "deferred", "pending", "success", "skipped", "cancelled",
];

/** Find tasks by name, and narrow the view to a state. */
export function FilterBar({ tasks }: { tasks: readonly TaskPicture[] }) {
  const find = useParam("find") ?? "";
  const only = useParam("only");
  const counts = useMemo(() => countsOf(tasks), [tasks]);
  return (
    <div className="run-filter">
      <label className="run-find">
        <Icon name="search" />
        <span className="ui-hidden">{t("run.find")}</span>
        <input
          className="ui-input"
          type="search"
          placeholder={t("run.find")}
          value={find}
          onChange={(event) => setAddress({ find: event.target.value })}
        />
      </label>
      <div className="ui-row" role="group" aria-label={t("run.only")}>
        {ORDER.filter((state) => counts.has(state) || state === only).map((state) => (
          <button
            key={state}
            type="button"
            className="run-chip"
            aria-pressed={state === only}
            onClick={() => setAddress({ only: state === only ? null : state })}
          >
            <span className="run-chip-picture" style={{ color: lookOf(state).colour }}>
              <Icon name={lookOf(state).icon} size={14} />
            </span>
            {stateWord(state)} <b>{counts.get(state) ?? 0}</b>
          </button>
        ))}
      </div>
    </div>
  );
}

/** The tasks that the filter lets through. */
export function useFiltered(tasks: readonly TaskPicture[]): TaskPicture[] {
  const find = (useParam("find") ?? "").trim().toLowerCase();
  const only = useParam("only");
  return useMemo(() => tasks.filter((task) => passes(task, find, only)), [tasks, find, only]);
}

function passes(task: TaskPicture, find: string, only: string | null): boolean {
  if (only && task.state !== only) return false;
  return !find || task.task_id.toLowerCase().includes(find) || task.name.toLowerCase().includes(find);
}

function countsOf(tasks: readonly TaskPicture[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const task of tasks) counts.set(task.state, (counts.get(task.state) ?? 0) + 1);
  return counts;
}
